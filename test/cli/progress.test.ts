import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { mock, test } from 'node:test';

import { isUnicode, openProgress, progressStyle, type Progress, type ProgressStyle } from '../../src/cli/progress.js';
import { fakeDownload, fakeStats } from './fake.js';
import type { Download } from '../../src/index.js';

class FakeTerminal extends EventEmitter {
  output = '';
  columns = 80;
  rows = 24;

  write(text: string): boolean {
    this.output += text;
    return true;
  }

  /** What was written since the last call, with `^` for the escape character. */
  take(): string {
    const { output } = this;
    this.output = '';
    return output.replaceAll('\x1b', '^');
  }
}

function show(terminal: FakeTerminal, style: ProgressStyle, env = {}, download: Download = fakeDownload()): Progress {
  const progress = openProgress(terminal, style, {}, env);
  progress.add(download);
  return progress;
}

function named(name: string): Download {
  return fakeDownload(() => fakeStats({ name }));
}

function withTimers(body: () => void): void {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'] });
  try {
    body();
  } finally {
    mock.timers.reset();
  }
}

test('animation is for a terminal that somebody watches', () => {
  assert.equal(progressStyle({ isTTY: true }, {}, false), 'bar');
  assert.equal(progressStyle({ isTTY: true }, { TERM: 'dumb' }, false), 'lines');
  assert.equal(progressStyle({ isTTY: true }, { CI: 'true' }, false), 'lines');
  assert.equal(progressStyle({}, {}, false), 'lines');
  assert.equal(progressStyle({ isTTY: true }, {}, true), 'none');
});

test('the locale decides about signs beyond ASCII', () => {
  assert.ok(isUnicode({ LANG: 'de_DE.UTF-8' }));
  assert.ok(isUnicode({ LC_ALL: '', LANG: 'C.utf8' }));
  assert.ok(!isUnicode({ LC_ALL: 'C', LANG: 'de_DE.UTF-8' }));
  assert.ok(!isUnicode({}));
});

test('without a terminal there is a plain line every five seconds', () => {
  withTimers(() => {
    const terminal = new FakeTerminal();
    const progress = show(terminal, 'lines');
    mock.timers.tick(4999);
    assert.equal(terminal.take(), '');
    mock.timers.tick(1);
    assert.match(terminal.take(), /^downloading: 50%.*\n$/);
    progress.print('hello');
    assert.equal(terminal.take(), 'hello\n');
    progress.stop();
    mock.timers.tick(20_000);
    assert.equal(terminal.take(), '');
  });
});

test('quiet means no progress at all', () => {
  withTimers(() => {
    const terminal = new FakeTerminal();
    const progress = show(terminal, 'none');
    mock.timers.tick(20_000);
    progress.print('error');
    progress.stop();
    assert.equal(terminal.take(), 'error\n');
  });
});

test('the bar follows the width at each redraw and clears the old line', () => {
  withTimers(() => {
    const terminal = new FakeTerminal();
    const progress = show(terminal, 'bar', { LANG: 'C.UTF-8' });
    const widthOf = (output: string): number =>
      Math.max(...output.split(/[\r\n]|\^\[\d*[A-Z]/).map((line) => line.length));
    assert.equal(widthOf(terminal.take()), 79);
    terminal.columns = 40;
    terminal.emit('resize');
    assert.equal(terminal.take(), '\r^[J');
    mock.timers.tick(300);
    mock.timers.tick(200);
    const narrow = terminal.take();
    assert.match(narrow, /iso \[/);
    assert.ok(widthOf(narrow) < 40);
    progress.stop();
    assert.equal(terminal.listenerCount('resize'), 0);
  });
});

test('nothing is drawn while the window is being resized, and lines above are', () => {
  withTimers(() => {
    const terminal = new FakeTerminal();
    const progress = show(terminal, 'bar', {});
    terminal.take();
    for (let columns = 79; columns > 70; columns--) {
      terminal.columns = columns;
      terminal.emit('resize');
      mock.timers.tick(200);
    }
    progress.print('news');
    const output = terminal.take();
    assert.doesNotMatch(output, /iso \[/);
    assert.match(output, /\^\[Jnews\n\r$/);
    mock.timers.tick(300);
    mock.timers.tick(200);
    assert.match(terminal.take(), /iso \[/);
    progress.stop();
  });
});

test('a terminal that does not know its width gets 80 columns', () => {
  withTimers(() => {
    const terminal = new FakeTerminal();
    terminal.columns = 0;
    const progress = show(terminal, 'bar', {});
    progress.stop();
    assert.match(terminal.take(), /\[#+-+\].*ETA/);
  });
});

test('a line goes above the bar, and the bar is back at once', () => {
  withTimers(() => {
    const terminal = new FakeTerminal();
    const progress = show(terminal, 'bar', {});
    terminal.take();
    progress.print('tracker: 5 peers');
    assert.match(terminal.take(), /^\r\^\[Jtracker: 5 peers\ndebi~iso \[#+-+\].*\r$/);
    progress.stop();
    terminal.take();
    progress.print('last');
    assert.equal(terminal.take(), 'last\n');
  });
});

test('the bar leaves cursor, wrap and saved position of the terminal alone', () => {
  withTimers(() => {
    const terminal = new FakeTerminal();
    const progress = show(terminal, 'bar', {});
    mock.timers.tick(1000);
    progress.stop();
    progress.stop();
    assert.doesNotMatch(terminal.take(), /\^[78]|\^\[\?/);
  });
});

test('a name with escape sequences cannot reach the terminal', () => {
  withTimers(() => {
    const terminal = new FakeTerminal();
    const progress = show(terminal, 'bar', {}, named('a\x1bZ'));
    progress.stop();
    assert.ok(terminal.take().includes('a\\x1bZ'));
  });
});

test('each download has a line, the cursor goes back to the first, and a line above leaves all in place', () => {
  withTimers(() => {
    const terminal = new FakeTerminal();
    const progress = openProgress(terminal, 'bar', { isSeveral: true }, {});
    const [one, two] = [named('one'), named('two')];
    progress.add(one);
    progress.add(two);
    terminal.take();
    mock.timers.tick(200);
    assert.match(terminal.take(), /one \[.*\^\[K\ntwo \[.*\^\[J\r\^\[1A$/s);
    progress.print('news');
    assert.match(terminal.take(), /^\r\^\[Jnews\none \[.*\ntwo \[.*\r\^\[1A$/s);
    progress.remove(one);
    mock.timers.tick(200);
    assert.match(terminal.take(), /two \[[^\n]*\^\[J\r$/);
    progress.remove(two);
    assert.equal(terminal.listenerCount('resize'), 0);
    terminal.take();
    progress.add(one);
    assert.match(terminal.take(), /one \[/);
    progress.stop();
  });
});

test('more downloads than rows are cut, and counted', () => {
  withTimers(() => {
    const terminal = new FakeTerminal();
    terminal.rows = 4;
    const progress = openProgress(terminal, 'bar', { isSeveral: true }, {});
    for (const name of ['one', 'two', 'three', 'four', 'five']) progress.add(named(name));
    terminal.take();
    mock.timers.tick(200);
    assert.match(terminal.take(), /one \[.*\n.*two \[.*\n.*~ and 3 more\^\[0K\^\[J\r\^\[2A$/s);
    progress.stop();
  });
});

test('plain lines name their download when there are several', () => {
  withTimers(() => {
    const terminal = new FakeTerminal();
    const progress = openProgress(terminal, 'lines', { isSeveral: true }, {});
    const [one, two] = [named('one'), named('two')];
    progress.add(one);
    progress.add(two);
    mock.timers.tick(5000);
    assert.match(terminal.take(), /^one: downloading: .*\ntwo: downloading: .*\n$/);
    progress.remove(one);
    mock.timers.tick(5000);
    assert.match(terminal.take(), /^two: [^\n]*\n$/);
    progress.stop();
  });
});

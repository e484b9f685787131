/** What is installed beside us: little, exactly known, and without scripts of its own. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

interface Locked {
  readonly version: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly dev?: boolean;
  readonly hasInstallScript?: boolean;
}

const read = (name: string): unknown => JSON.parse(readFileSync(new URL(`../${name}`, import.meta.url), 'utf8'));
const { dependencies, scripts } = read('package.json') as {
  dependencies: Readonly<Record<string, string>>;
  scripts: Readonly<Record<string, string>>;
};
const { packages } = read('package-lock.json') as { packages: Readonly<Record<string, Locked>> };
const installed = Object.entries(packages).filter(([path, { dev }]) => path !== '' && !dev);

/** All that comes with them, and so runs at our users'. A new one wants to be read before it stands here. */
const MOST_INSTALLED = 40;

/** The first version without any advisory that was known in November 2026. `npm audit` knows the later ones. */
const SOUND_FROM: Readonly<Record<string, string>> = {
  'ansi-regex': '5.0.1', // CVE-2021-3807
  axios: '1.19.0', // CVE-2026-67312 to 67314, 67320, 67321, and many before
  debug: '4.4.3', // the version before was somebody else's
  'follow-redirects': '1.16.0', // CVE-2026-40895
  'form-data': '4.0.6', // CVE-2025-7783, CVE-2026-12143
  picomatch: '4.0.4', // CVE-2026-33671, 33672
};

test('nothing that is installed is older than the advisories that are known', () => {
  for (const [name, from] of Object.entries(SOUND_FROM)) {
    const found = installed.filter(([path]) => path.endsWith(`node_modules/${name}`));
    assert.ok(found.length > 0, `${name} is not installed any more`);
    for (const [path, { version }] of found) {
      const order = version.localeCompare(from, 'en', { numeric: true });
      assert.ok(order >= 0, `${path} is ${version}, not ${from} or later`);
    }
  }
});

test('run-time dependencies are few, and of one version each', () => {
  assert.deepEqual(Object.keys(dependencies), ['axios', 'bencode', 'cli-progress', 'commander', 'debug', 'picomatch']);
  for (const [name, version] of Object.entries(dependencies)) {
    assert.match(version, /^\d+\.\d+\.\d+$/, name);
    assert.equal(packages[`node_modules/${name}`]?.version, version);
  }
  assert.ok(installed.length <= MOST_INSTALLED, `${installed.length} packages are installed`);
});

test('what is installed is known by its hash, comes from a registry, and runs no script', () => {
  for (const [path, { integrity, resolved, hasInstallScript }] of installed) {
    assert.match(integrity ?? '', /^sha512-/, path);
    assert.equal(resolved, undefined, `${path} comes from elsewhere than the registry in use`);
    assert.ok(!hasInstallScript, `${path} runs a script when it is installed`);
  }
  for (const name of ['preinstall', 'install', 'postinstall']) assert.equal(scripts[name], undefined);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeText, decodeUtf8, escapeControl, quote } from '../../src/common/text.js';

test('nothing that steers a terminal or turns the writing direction is left', () => {
  assert.equal(escapeControl('a\u001b[2Jb'), 'a\\x1b[2Jb');
  assert.equal(escapeControl('\r\n\t\0\u007f\u009b'), '\\x0d\\x0a\\x09\\x00\\x7f\\x9b');
  assert.equal(escapeControl('exe\u202egpj\u2066\u200f\u2028\ufeff'), 'exe\\u202egpj\\u2066\\u200f\\u2028\\ufeff');
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      assert.doesNotMatch(escapeControl(text), /[\p{Cc}\u200e\u200f\u2028-\u202e\u2066-\u2069]/u);
    }),
  );
});

test('other text stays as it is', () => {
  assert.equal(escapeControl('東京 – Überfahrt 🎵 \\x1b'), '東京 – Überfahrt 🎵 \\x1b');
});

test('a quoted text is short', () => {
  assert.equal(quote('a\nb'), '"a\\x0ab"');
  assert.equal(quote('x'.repeat(300)), `"${'x'.repeat(200)}…"`);
});

test('UTF-8 is decoded strictly: U+FFFD comes out only where it is written', () => {
  fc.assert(fc.property(fc.string({ unit: 'grapheme' }), (text) => decodeUtf8(Buffer.from(text)) === text));
  assert.equal(decodeUtf8(Buffer.from('\ufeffa\ufffd')), '\ufeffa\ufffd');
  for (const hex of ['ff', 'c3', 'c080', 'eda080', 'f8808080', '61e9']) {
    assert.equal(decodeUtf8(Buffer.from(hex, 'hex')), undefined);
  }
});

test('text that is not UTF-8 is read in the encoding, if somebody knows it', () => {
  const tokyo = Buffer.from('938c8b9e', 'hex');
  assert.equal(decodeText(tokyo, 'Shift_JIS'), '東京');
  assert.equal(decodeText(Buffer.from('cfe0ef', 'hex'), 'windows-1251'), 'Пап');
  assert.equal(decodeText(Buffer.from('東京'), 'Shift_JIS'), '東京', 'UTF-8 comes first');
  assert.equal(decodeText(tokyo, 'UTF-8'), undefined);
  assert.equal(decodeText(tokyo, 'no such thing'), undefined);
  assert.equal(decodeText(tokyo), undefined);
});

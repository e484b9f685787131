/** Names that have led programs astray (THREATS N1–N8). */
import { randomBytes, makeTorrent, type MadeTorrent } from '../helpers/torrent.js';

/** A component as bytes or text. */
type Name = string | Uint8Array;

export interface HostileNames {
  readonly what: string;
  readonly threat: string;
  /** Default `content`. */
  readonly root?: Name;
  /** Of each file; `top` is a folder with canaries. */
  readonly paths: (top: string) => readonly (readonly Name[])[];
  /** Further keys of each file, and of the info dictionary. */
  readonly file?: Readonly<Record<string, unknown>>;
  readonly info?: Readonly<Record<string, unknown>>;
}

const only =
  (...paths: readonly (readonly Name[])[]) =>
  () =>
    paths;

export const HOSTILE_NAMES: readonly HostileNames[] = [
  { what: 'a root that leads up', threat: 'N1', root: '..', paths: only(['canary'], ['evil']) },
  { what: 'a root with a path', threat: 'N1', root: '../../evil', paths: only(['canary']) },
  { what: 'a lone file that leads up', threat: 'N1', root: '../canary', paths: only() },
  {
    what: 'paths that lead up',
    threat: 'N1',
    paths: only(['..', 'canary'], ['..', '..', 'canary'], ['a', '..', '..', '..', 'evil']),
  },
  {
    what: 'dots in all ways',
    threat: 'N1',
    paths: only(['.', 'x'], ['...', 'x'], ['. .', 'x'], ['..', '..'], ['.'], ['a', '.']),
  },
  { what: 'an absolute root', threat: 'N2', root: '/tmp/torrent-dl-evil', paths: only(['x']) },
  {
    what: 'absolute paths',
    threat: 'N2',
    paths: (top) => [[`${top}/user/evil`], ['/', top.slice(1), 'user', 'canary'], ['', 'x']],
  },
  {
    what: 'separators within names',
    threat: 'N2',
    paths: only(['a/../../../evil'], ['..\\..\\evil'], ['C:\\evil'], ['\\\\host\\share\\evil']),
  },
  {
    what: 'a path.utf-8 that leads elsewhere',
    threat: 'N2',
    paths: only(['plain']),
    file: { 'path.utf-8': ['..', '..', 'evil'] },
  },
  {
    what: 'a name.utf-8 that leads elsewhere',
    threat: 'N2',
    paths: only(['plain']),
    info: { 'name.utf-8': '../../evil' },
  },
  {
    what: 'empty names and NUL',
    threat: 'N4',
    root: '',
    paths: only([''], ['', ''], ['\0'], ['a\0b'], ['a\0/../../evil']),
  },
  {
    what: 'names of 300 and of 3000 bytes',
    threat: 'N4',
    paths: only(['n'.repeat(300)], ['ü'.repeat(1500)], ['n'.repeat(299)]),
  },
  {
    what: 'a path of 8000 bytes',
    threat: 'N4',
    paths: only(Array.from({ length: 400 }, () => 'a folder of 20 bytes')),
  },
  { what: 'one path for three files', threat: 'N5', paths: only(['x', 'y'], ['x', 'y'], ['x', 'y']) },
  { what: 'a file and a folder of one name', threat: 'N5', paths: only(['x'], ['x', 'y'], ['x', 'y', 'z'], ['x (2)']) },
  { what: 'names that become equal', threat: 'N5', paths: only(['a/b'], ['a_b'], ['a\0b'], ['..'], ['__']) },
  { what: 'names that differ in case and form only', threat: 'N5', paths: only(['File'], ['file'], ['é'], ['é']) },
  {
    what: 'names of Windows devices',
    threat: 'N6',
    paths: only(['CON'], ['aux.txt'], ['x '], ['x.'], ['x:stream'], ['a<b>|?*"']),
  },
  { what: 'direction marks', threat: 'N6', root: 'a\u202egpj.exe', paths: only(['\u2066x\u2069'], ['\u200fy']) },
  {
    what: 'bytes that are no UTF-8',
    threat: 'N7',
    root: Uint8Array.of(0xff, 0xfe),
    paths: only([Uint8Array.of(0xe4)], [Uint8Array.of(0xe5)], [Uint8Array.of(0xc0, 0xae)]),
  },
  {
    what: 'escape sequences',
    threat: 'N8',
    root: '\u001b]0;owned\u0007',
    paths: only(['\u001b[2J\u001b[1;1H'], ['a\rb\nc'], ['\u009b31m'], ['\u007f']),
  },
  {
    what: 'the names of our own folder',
    threat: 'N1',
    root: '.torrent-dl',
    paths: only(['resume'], ['lock'], ['..', '.torrent-dl', 'lock']),
  },
];

/** A torrent of some bytes for each path, or of a single file when there are no paths. */
export function torrentOf({ root = 'content', paths, file = {}, info = {} }: HostileNames, top: string): MadeTorrent {
  const lists = paths(top);
  const content = lists.map((_, at) => ({ path: `${at}`, data: randomBytes(`${top}${at}`, 3000 + at) }));
  if (lists.length === 0) return makeTorrent(randomBytes(top, 3000), { info: { name: bytesOf(root), ...info } });
  const files = lists.map((names, at) => ({ length: 3000 + at, path: names.map(bytesOf), ...file }));
  return makeTorrent(content, { info: { name: bytesOf(root), files, ...info } });
}

function bytesOf(name: Name): Buffer {
  return Buffer.from(name as Uint8Array);
}

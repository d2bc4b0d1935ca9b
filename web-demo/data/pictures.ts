/** The pictures as the page shows them: small ones on a few sheets, which load one after the other, and large ones alone. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import sharp from 'sharp';
import { SHEET } from '../src/gallery.js';
import type { Emoji } from './emoji.js';

const require = createRequire(import.meta.url);

// Twice what the large picture of the page measures in CSS pixels, near enough.
const LARGE = 256;

interface IconSet {
  icons: Record<string, { body: string } | undefined>;
  width: number;
  height: number;
}

/** @returns WebP files with transparency, of SHEET.tiles pictures each */
export function makeSheets(files: readonly string[]): Promise<Buffer[]> {
  const sheets = Array.from({ length: Math.ceil(files.length / SHEET.tiles) }, (_, i) =>
    files.slice(i * SHEET.tiles, (i + 1) * SHEET.tiles),
  );
  return Promise.all(sheets.map(makeSheet));
}

async function makeSheet(files: readonly string[]): Promise<Buffer> {
  const { columns, tile, tiles } = SHEET;
  const inputs = await Promise.all(
    files.map(async (file, i) => ({
      input: await sharp(file).resize(tile, tile).png().toBuffer(),
      left: (i % columns) * tile,
      top: Math.floor(i / columns) * tile,
    })),
  );
  const size = { width: columns * tile, height: (tiles / columns) * tile };
  const blank = sharp({ create: { ...size, channels: 4, background: { r: 0, g: 0, b: 0, alpha: 0 } } });
  return blank.composite(inputs).webp({ quality: 50, alphaQuality: 40, effort: 6 }).toBuffer();
}

/** Draws one picture from its vectors, and from its PNG of 64 pixels if there are none, as for flags of countries. */
export function largePictures(): (emoji: Emoji) => Promise<Buffer> {
  const read = <T>(name: string): T => JSON.parse(readFileSync(require.resolve(name), 'utf8')) as T;
  const { icons, width, height } = read<IconSet>('@iconify-json/noto/icons.json');
  const names = new Map(
    Object.entries(read<Record<string, string>>('@iconify-json/noto/chars.json')).map(([code, name]) => [
      code.replaceAll('-fe0f', ''),
      name,
    ]),
  );
  return ({ code, file }) => {
    const icon = icons[names.get(code.replaceAll('-fe0f', '')) ?? ''];
    if (icon === undefined) return sharp(file).webp({ quality: 90 }).toBuffer();
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 ${width} ${height}" width="${LARGE}" height="${LARGE}">${icon.body}</svg>`;
    return sharp(Buffer.from(svg)).webp({ quality: 80 }).toBuffer();
  };
}

/** Raw pixels as features, for a baseline: each image in 16 x 16, [files, 768]. */
export async function pixelFeatures(files: readonly string[]): Promise<Float32Array> {
  const rows = await Promise.all(
    files.map((file) => sharp(file).flatten({ background: '#fff' }).resize(16, 16).raw().toBuffer()),
  );
  return Float32Array.from(Buffer.concat(rows));
}

/**
 * Images of 16x8 pixels, level (16 x, 30 y, 128) at column x of row y, written by Pillow 12 with quality 95 and no
 * subsampling: `Image.fromarray(a).save(path, "JPEG", quality=95, subsampling=0, progressive=…)`.
 */
const BASELINE =
  "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAIBAQEBAQIBAQECAgICAgQDAgICAgUEBAMEBgUGBgYFBgYGBwkIBgcJBwYGCAsICQoKCgoKBggLDAsKDAkKCgr/2wBDAQICAgICAgUDAwUKBwYHCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgr/wAARCAAIABADAREAAhEBAxEB/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/8QAHwEAAwEBAQEBAQEBAQAAAAAAAAECAwQFBgcICQoL/8QAtREAAgECBAQDBAcFBAQAAQJ3AAECAxEEBSExBhJBUQdhcRMiMoEIFEKRobHBCSMzUvAVYnLRChYkNOEl8RcYGRomJygpKjU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVmZ2hpanN0dXZ3eHl6goOEhYaHiImKkpOUlZaXmJmaoqOkpaanqKmqsrO0tba3uLm6wsPExcbHyMnK0tPU1dbX2Nna4uPk5ebn6Onq8vP09fb3+Pn6/9oADAMBAAIRAxEAPwD5z+FH/BL7/V/8U76f8sq/T858W9/3n4n4r4beOT9z97+J9M/Cj/gl9/qv+Kd9P+WVflOc+Le/7z8T/QHw28cn7n738T//2Q==";
const PROGRESSIVE =
  "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAIBAQEBAQIBAQECAgICAgQDAgICAgUEBAMEBgUGBgYFBgYGBwkIBgcJBwYGCAsICQoKCgoKBggLDAsKDAkKCgr/2wBDAQICAgICAgUDAwUKBwYHCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgr/wgARCAAIABADAREAAhEBAxEB/8QAFAABAAAAAAAAAAAAAAAAAAAAB//EABUBAQEAAAAAAAAAAAAAAAAAAAYI/9oADAMBAAIQAxAAAAE5TikwpQH/xAAWEAADAAAAAAAAAAAAAAAAAAAABQf/2gAIAQEAAQUCVS8VS8//xAAXEQEAAwAAAAAAAAAAAAAAAAAGACIx/9oACAEDAQE/ATbnLQ25y0//xAAXEQADAQAAAAAAAAAAAAAAAAAABAZi/9oACAECAQE/AXK3Q5W6P//EABcQAAMBAAAAAAAAAAAAAAAAAAABJKH/2gAIAQEABj8CU+Cnw//EABQQAQAAAAAAAAAAAAAAAAAAABD/2gAIAQEAAT8hJS//2gAMAwEAAgADAAAAEF//xAAWEQADAAAAAAAAAAAAAAAAAAAAAeH/2gAIAQMBAT8Qdcdc/8QAFhEAAwAAAAAAAAAAAAAAAAAAADHB/9oACAECAQE/EH0Po//EABUQAQEAAAAAAAAAAAAAAAAAAACh/9oACAEBAAE/EJjOf//Z";
/** Only the red channel. */
const GREY =
  "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAIBAQEBAQIBAQECAgICAgQDAgICAgUEBAMEBgUGBgYFBgYGBwkIBgcJBwYGCAsICQoKCgoKBggLDAsKDAkKCgr/wAALCAAIABABAREA/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/9oACAEBAAA/APzf/wCCbf8Ay4f8Br+gD/gm3/y4f8Br/9k=";

const decodeText = (text: string) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

export const JPEGS = { baseline: decodeText(BASELINE), progressive: decodeText(PROGRESSIVE), grey: decodeText(GREY) };

/** The same JPEG with an EXIF segment that declares an orientation; `little`: byte order of the segment. */
export function withOrientation(jpeg: Uint8Array, orientation: number, little = false): Uint8Array<ArrayBuffer> {
  const segment = new Uint8Array(36);
  const view = new DataView(segment.buffer);
  segment.set([0xff, 0xe1, 0, 34, 0x45, 0x78, 0x69, 0x66, 0, 0, ...(little ? [0x49, 0x49] : [0x4d, 0x4d])]);
  view.setUint16(12, 42, little);
  view.setUint32(14, 8, little);
  view.setUint16(18, 1, little);
  view.setUint16(20, 0x0112, little);
  view.setUint16(22, 3, little);
  view.setUint32(24, 1, little);
  view.setUint16(28, orientation, little);
  return Uint8Array.from([...jpeg.subarray(0, 2), ...segment, ...jpeg.subarray(2)]);
}

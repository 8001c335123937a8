/** A file that is arriving: what has come lies on disk, and its sum is kept up to date. */
import { createHash, type Hash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { open, rename, rm, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import type { RemoteFile } from "./listing.ts";

export class PartialFile {
  private readonly path: string;
  private readonly file: RemoteFile;
  private readonly handle: FileHandle;
  private hash: Hash;
  private length = 0;

  private constructor(path: string, file: RemoteFile, handle: FileHandle) {
    this.path = path;
    this.file = file;
    this.handle = handle;
    this.hash = newHash(file);
  }

  /** Takes up what an earlier process left at `path`. */
  static async open(path: string, file: RemoteFile): Promise<PartialFile> {
    mkdirSync(dirname(path), { recursive: true });
    const partial = new PartialFile(path, file, await open(path, "a+"));
    try {
      await partial.readBack();
    } catch (error) {
      await partial.close();
      throw error;
    }
    return partial;
  }

  /** Bytes that have come. */
  get size(): number {
    return this.length;
  }

  async append(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const { bytesWritten } = await this.handle.write(bytes, done);
      this.hash.update(bytes.subarray(done, done + bytesWritten));
      done += bytesWritten;
      this.length += bytesWritten;
    }
  }

  async restart(): Promise<void> {
    await this.handle.truncate(0);
    this.hash = newHash(this.file);
    this.length = 0;
  }

  /** Whether all bytes have come and have the sum that the Hub names. */
  isRight(): boolean {
    const { sha256, gitSha1, size } = this.file;
    return this.length === size && this.hash.copy().digest("hex") === (sha256 ?? gitSha1);
  }

  async moveTo(path: string): Promise<void> {
    await this.handle.close();
    await rename(this.path, path);
  }

  /** Leaves what has come for a later process. */
  async close(): Promise<void> {
    await this.handle.close();
    if (this.length === 0) await rm(this.path, { force: true });
  }

  private async readBack(): Promise<void> {
    const buffer = Buffer.alloc(4 * 2 ** 20);
    for (;;) {
      const { bytesRead } = await this.handle.read(buffer, 0, buffer.length, this.length);
      if (bytesRead === 0) return;
      this.hash.update(buffer.subarray(0, bytesRead));
      this.length += bytesRead;
    }
  }
}

/** Git's sum covers a header with the length; large-file storage's only the content. */
function newHash({ sha256, size }: RemoteFile): Hash {
  return sha256 === null ? createHash("sha1").update(`blob ${size}\0`) : createHash("sha256");
}

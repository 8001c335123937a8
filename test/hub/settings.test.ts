/** The environment variables of huggingface_hub. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { isHubId } from "../../src/hub/hub.ts";
import { cacheFolder, hubSettings } from "../../src/hub/settings.ts";

const folder = mkdtempSync(join(tmpdir(), "servebench-settings-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("the cache is where huggingface_hub has it", () => {
  expect(cacheFolder({ HF_HUB_CACHE: "/a", HF_HOME: "/b" })).toBe("/a");
  expect(cacheFolder({ HUGGINGFACE_HUB_CACHE: "/a", HF_HOME: "/b" })).toBe("/a");
  expect(cacheFolder({ HF_HOME: "/b", XDG_CACHE_HOME: "/c" })).toBe("/b/hub");
  expect(cacheFolder({ XDG_CACHE_HOME: "/c" })).toBe("/c/huggingface/hub");
  expect(cacheFolder({})).toBe(join(homedir(), ".cache/huggingface/hub"));
  expect(cacheFolder({ HF_HOME: "~/x", HOME: "/h" })).toBe("/h/x/hub");
  expect(cacheFolder({ HF_HUB_CACHE: "$DISK/${SUB}/$NONE", DISK: "/d", SUB: "s" })).toBe(
    "/d/s/$NONE",
  );
});

test("the token: variables first, then the file", () => {
  writeFileSync(join(folder, "token"), "hf_file\n");
  const token = (environment: Record<string, string>) =>
    hubSettings({ HF_HOME: folder, ...environment }).token;
  expect(token({ HF_TOKEN: "hf_a\n", HUGGING_FACE_HUB_TOKEN: "hf_b" })).toBe("hf_a");
  expect(token({ HF_TOKEN: "", HUGGING_FACE_HUB_TOKEN: "hf_b" })).toBe("hf_b");
  expect(token({})).toBe("hf_file");
  expect(token({ HF_TOKEN_PATH: join(folder, "none") })).toBeNull();
  expect(token({ HF_TOKEN: "hf_a", HF_HUB_DISABLE_IMPLICIT_TOKEN: "true" })).toBeNull();
});

test("endpoint, offline and timeouts", () => {
  const home = { HF_HOME: folder };
  expect(hubSettings(home)).toMatchObject({
    endpoint: "https://huggingface.co",
    offline: false,
    metadataTimeoutMs: 10_000,
    downloadTimeoutMs: 10_000,
    progressBars: true,
  });
  const set = {
    HF_ENDPOINT: "http://mirror:8080/hf//",
    HF_HUB_ETAG_TIMEOUT: "0.5",
    HF_HUB_DOWNLOAD_TIMEOUT: "60",
  };
  expect(hubSettings({ ...home, ...set, HF_HUB_OFFLINE: "on" })).toMatchObject({
    endpoint: "http://mirror:8080/hf",
    offline: true,
    metadataTimeoutMs: 500,
    downloadTimeoutMs: 60_000,
  });
  expect(hubSettings({ ...home, TRANSFORMERS_OFFLINE: "1" }).offline).toBe(true);
  expect(hubSettings({ ...home, HF_HUB_OFFLINE: "0" }).offline).toBe(false);
});

test("what may be a hub id", () => {
  for (const id of ["gpt2", "org/name", "meta-llama/Llama-3.1-8B", "a_b/c.d-e"])
    expect(isHubId(id)).toBe(true);
  for (const text of [
    "",
    "/x",
    "a/b/c",
    "./x",
    "../x",
    "a/..",
    "a--b/c",
    "a/b.",
    "-a/b",
    "a b",
    "x".repeat(97),
  ])
    expect(isHubId(text)).toBe(false);
});

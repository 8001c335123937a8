/** What a server says about its model. */
export interface ListedModel {
  readonly id: string;
  /** From who "owns" the model; null where that is nobody known. */
  readonly backend: string | null;
}

const backendOfOwner: Readonly<Record<string, string>> = {
  sglang: "sglang",
  vllm: "vllm",
  llamacpp: "llama.cpp",
  lmdeploy: "lmdeploy",
};

const patienceMs = 10_000;

/** The first model that a server lists; null if it lists none, or needs a key that is not in OPENAI_API_KEY. */
export async function listedModel(baseUrl: string): Promise<ListedModel | null> {
  const key = process.env["OPENAI_API_KEY"];
  try {
    const reply = await fetch(`${baseUrl}/v1/models`, {
      headers: key === undefined ? {} : { Authorization: `Bearer ${key}` },
      signal: AbortSignal.timeout(patienceMs),
    });
    const { data } = (await reply.json()) as { data: { id: string; owned_by?: string }[] };
    const [{ id, owned_by: owner } = { id: null }] = data;
    return typeof id === "string" ? { id, backend: backendOfOwner[owner ?? ""] ?? null } : null;
  } catch {
    return null;
  }
}

/** What is being served: the OpenAI list of models, and SGLang's description of the one there is. */
import type { Hono } from "hono";
import type { ServerContext } from "../context.ts";

export function modelRoutes(app: Hono, context: ServerContext): void {
  const { model, engine } = context;
  const card = {
    id: model.servedName,
    object: "model",
    created: model.created,
    owned_by: "sglang", // clients tell from it which dialect a server speaks
    root: model.servedName,
    parent: null,
    max_model_len: engine.limits.contextLength,
  };
  app.get("/v1/models", (c) => c.json({ object: "list", data: [card] }));

  app.get("/v1/models/:id{.+}", (c) => {
    const id = c.req.param("id");
    if (id === model.servedName) return c.json(card);
    const error = {
      message: `The model '${id}' does not exist`,
      type: "invalid_request_error",
      param: "model",
      code: "model_not_found",
    };
    return c.json({ error }, 404);
  });

  const info = {
    model_path: model.path,
    served_model_name: model.servedName,
    tokenizer_path: model.tokenizerPath,
    is_generation: true,
    preferred_sampling_params: null,
    weight_version: "default",
    load_format: model.loadFormat,
    reasoning_parser: null,
    tool_call_parser: null,
    has_image_understanding: false,
    has_audio_understanding: false,
    model_type: model.modelType,
    architectures: model.architectures,
  };
  for (const path of ["/model_info", "/get_model_info"]) app.get(path, (c) => c.json(info));
}

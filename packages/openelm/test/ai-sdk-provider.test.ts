import { Rng } from "@corenet/core";
import { byteTokenizer } from "@corenet/formats";
import { createOpenElm, openElmConfig } from "@corenet/openelm";
import { generateText, streamText } from "ai";
import { expect, test } from "vitest";
import { onBackend } from "../../../tools/testing/index.ts";
import { corenetModel } from "../examples/ai-sdk-provider.ts";

const config = openElmConfig({
  ...{ vocabSize: 256, contextLength: 128, numLayers: 2, modelDim: 32, headDim: 8, groupSize: 2 },
  ...{ qkvMultipliers: [0.5, 1], ffnMultipliers: [0.5, 2], ffnDivisor: 8 },
});

onBackend("wasm", () => {
  test("the AI SDK generates and streams the same text, and counts its tokens", async () => {
    using random = await createOpenElm(config, { rng: new Rng(1) });
    const model = corenetModel(random, byteTokenizer());
    const call = { model, prompt: "Hello", maxOutputTokens: 12, temperature: 0.9, seed: 3 };
    const whole = await generateText(call);
    expect(whole.text.length).toBeGreaterThan(0);
    expect(whole.usage.inputTokens).toBe("User: Hello\nAssistant:".length);
    const streamed = streamText(call);
    let text = "";
    for await (const piece of streamed.textStream) text += piece;
    expect(text).toBe(whole.text);
    expect(await streamed.finishReason).toBe("length");
  });

  test("an abort ends the stream, and a picture is refused", async () => {
    using random = await createOpenElm(config, { rng: new Rng(1) });
    const model = corenetModel(random, byteTokenizer());
    const stopped = generateText({ model, prompt: "Hello", abortSignal: AbortSignal.abort() });
    await expect(stopped).rejects.toThrow(/abort/i);
    const file = { type: "file" as const, mediaType: "image/png", data: new Uint8Array([137, 80, 78, 71]) };
    const picture = generateText({ model, messages: [{ role: "user", content: [file] }], maxRetries: 0 });
    await expect(picture).rejects.toThrow("a message holds a file, expected text");
  });
});

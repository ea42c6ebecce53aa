"""The replica: a vLLM engine and its routes."""

import time
import uuid

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse
from ray import serve

from . import protocol

routes = FastAPI()


@serve.deployment(
    # vLLM batches by itself; further requests wait in Serve's queue.
    max_ongoing_requests=128,
    health_check_period_s=10,
    health_check_timeout_s=30,
)
@serve.ingress(routes)
class Chat:
    def __init__(self, settings):
        from transformers import AutoTokenizer
        from vllm import AsyncEngineArgs, AsyncLLMEngine

        self.name = settings["served_model_name"]
        self.tokenizer = AutoTokenizer.from_pretrained(settings["model"])
        self.engine = AsyncLLMEngine.from_engine_args(
            AsyncEngineArgs(
                model=settings["model"],
                max_model_len=settings["max_model_len"],
                tensor_parallel_size=settings["gpus_per_replica"],
                # The replica's GPUs are in one pod, so processes are enough; no second Ray.
                distributed_executor_backend="mp" if settings["gpus_per_replica"] > 1 else None,
            )
        )

    async def check_health(self):
        await self.engine.check_health()

    @routes.get("/v1/models")
    async def models(self):
        return {"object": "list", "data": [{"id": self.name, "object": "model", "owned_by": "app"}]}

    @routes.post("/v1/chat/completions")
    async def chat(self, request: Request):
        from vllm import SamplingParams

        try:
            body = await request.json()
            sampling = SamplingParams(**protocol.sampling(body))
            prompt = self.tokenizer.apply_chat_template(
                body["messages"], tokenize=False, add_generation_prompt=True
            )
        except ValueError as error:
            return JSONResponse({"error": {"message": str(error), "code": 400}}, status_code=400)
        identity = f"chatcmpl-{uuid.uuid4().hex}"
        outputs = self.engine.generate(prompt, sampling, identity)
        if body.get("stream"):
            events = self._events(identity, outputs)
            return StreamingResponse(events, media_type="text/event-stream")
        last = None
        async for last in outputs:
            # Stop generating if the client has gone.
            if await request.is_disconnected():
                await self.engine.abort(identity)
                return JSONResponse({}, status_code=499)
        answer = last.outputs[0]
        return protocol.completion(
            identity,
            int(time.time()),
            self.name,
            answer.text,
            answer.finish_reason,
            len(last.prompt_token_ids),
            len(answer.token_ids),
        )

    async def _events(self, identity, outputs):
        created = int(time.time())
        yield protocol.event(identity, created, self.name, {"role": "assistant", "content": ""})
        sent = 0
        async for output in outputs:
            answer = output.outputs[0]
            # Each output has the whole text so far.
            delta = {"content": answer.text[sent:]} if len(answer.text) > sent else {}
            sent = len(answer.text)
            if delta or answer.finish_reason:
                yield protocol.event(identity, created, self.name, delta, answer.finish_reason)
        yield protocol.DONE

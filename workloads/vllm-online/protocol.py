"""The supported part of OpenAI's chat protocol: requests and responses."""

import json


class BadRequest(ValueError):
    """A request that cannot be answered, with a reason for the client."""


def sampling(request):
    """Translates the sampling options of a request to vLLM's."""
    messages = request.get("messages")
    if not isinstance(messages, list) or not messages:
        raise BadRequest("messages is missing or empty")
    if request.get("n", 1) != 1:
        raise BadRequest("n: one answer per request")
    # The second is the older name of the same limit.
    most = request.get("max_completion_tokens") or request.get("max_tokens") or 1024
    options = {"max_tokens": most}
    for name in ("temperature", "top_p", "stop", "seed", "presence_penalty", "frequency_penalty"):
        if request.get(name) is not None:
            options[name] = request[name]
    return options


def completion(identity, created, model, text, finish, prompt_tokens, completion_tokens):
    """Returns the complete answer as one object."""
    return {
        "id": identity,
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": finish,
            }
        ],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
    }


def event(identity, created, model, delta, finish=None):
    """Returns a chunk of a streamed answer as a server-sent event."""
    piece = {
        "id": identity,
        "object": "chat.completion.chunk",
        "created": created,
        "model": model,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }
    return f"data: {json.dumps(piece)}\n\n"


# The end of an event stream.
DONE = "data: [DONE]\n\n"

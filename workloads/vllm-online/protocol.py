"""The part of OpenAI's chat protocol that is served: what goes in, what comes out."""

import json


class BadRequest(ValueError):
    """A request that cannot be answered, with a reason for who sent it."""


def sampling(request):
    """Returns vLLM's names and values for what a request asks of the sampling."""
    messages = request.get("messages")
    if not isinstance(messages, list) or not messages:
        raise BadRequest("messages is missing or empty")
    if request.get("n", 1) != 1:
        raise BadRequest("n: one answer per request")
    # An older name of the same limit comes second.
    most = request.get("max_completion_tokens") or request.get("max_tokens") or 1024
    options = {"max_tokens": most}
    for name in ("temperature", "top_p", "stop", "seed", "presence_penalty", "frequency_penalty"):
        if request.get(name) is not None:
            options[name] = request[name]
    return options


def completion(identity, created, model, text, finish, prompt_tokens, completion_tokens):
    """Returns the whole answer as one object."""
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
    """Returns a piece of a streamed answer as a server-sent event."""
    piece = {
        "id": identity,
        "object": "chat.completion.chunk",
        "created": created,
        "model": model,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }
    return f"data: {json.dumps(piece)}\n\n"


# Ends a stream of events.
DONE = "data: [DONE]\n\n"

"""A stand-in for the server behind httpx, and one way to call both clients."""

import inspect
import json

import httpx

CONTEXT = {
    "requestId": "req_abc",
    "suggestedFraming": "challenge",
    "communicationStyle": "technical",
    "complexity": "hints_only",
    "encouragement": "none",
    "confidence": 0.87,
    "rationale": "Challenges were finished twice as often.",
    "metadata": {
        "profilePhase": "optimised",
        "interactionCount": 24,
        "explorationMode": True,
        "dimensionConfidence": {"framingConfidence": 0.9},
        "userWeight": 0.7,
        "group": "learned",
        "policyVersion": 3,
    },
}
RECEIPT = {"success": True, "message": "Outcome reported successfully"}


def refusal(code, status, *, details=None, headers=None):
    body = {"error": {"code": code, "message": f"it is {code}", "details": details or {}}}
    return httpx.Response(status, json=body, headers=headers)


class Server:
    """Answers every request with the next of `answers`, the last for ever, and remembers each."""

    def __init__(self):
        self.answers = [httpx.Response(200, json=RECEIPT)]
        self.requests = []

    def __call__(self, request):
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        if callable(answer):
            return answer(request)
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    @property
    def bodies(self):
        return [json.loads(request.content) for request in self.requests]


class Caller:
    """Calls either client by the same name and waits for whatever it gives back."""

    def __init__(self, client):
        self.client = client

    def __getattr__(self, name):
        async def call(*args, **kwargs):
            return await settled(getattr(self.client, name)(*args, **kwargs))

        return call


async def settled(value):
    return await value if inspect.isawaitable(value) else value

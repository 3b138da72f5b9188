"""Uses the Anthropic SDK as a small agent would, and prints what came of it.

Its argument is a JSON list of jobs, and its output one of results:
  {"base": URL, "key": KEY, "do": "loop", "stream": true, "say": TEXT}
                                                           the conversation until no call is left
  {"base": URL, "key": KEY, "do": "ask", "model": NAME, "extra": {..}, "say": TEXT}
                                                           one request, and how it fails
"""

import json
import sys

import anthropic

FILES = {"a.txt": "apples", "b.txt": "bananas"}
TOOLS = [
    {"name": name, "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}}}
    for name in ("read_file", "remove_file")
]


def loop(client, stream, say):
    messages = [{"role": "user", "content": say}]
    made, texts, stops, output = [], [], [], 0
    while True:
        asked = {"model": "claude-sonnet-5-5", "max_tokens": 500, "messages": messages, "tools": TOOLS}
        if stream:
            with client.messages.stream(**asked) as events:
                reply = events.get_final_message()
        else:
            reply = client.messages.create(**asked)
        output += reply.usage.output_tokens
        stops.append(reply.stop_reason)
        texts += [block.text for block in reply.content if block.type == "text"]
        calls = [block for block in reply.content if block.type == "tool_use"]
        if not calls:
            return {"texts": texts, "stops": stops, "calls": made, "output": output}
        made += [[call.name, call.input] for call in calls]
        results = [{"type": "tool_result", "tool_use_id": call.id, "content": FILES[call.input["path"]]} for call in calls]
        messages.append({"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in reply.content]})
        messages.append({"role": "user", "content": results})


def ask(client, job):
    try:
        reply = client.messages.create(
            model=job.get("model", "claude-sonnet-5-5"),
            max_tokens=100,
            messages=[{"role": "user", "content": job.get("say", "Hello.")}],
            extra_body=job.get("extra"),
        )
        return {"text": reply.content[0].text}
    except anthropic.APIStatusError as error:
        shown = {"class": type(error).__name__, "status": error.status_code, "shown": str(error)}
        return {**shown, "message": error.body["error"]["message"], "request": error.request_id}


def run(job):
    client = anthropic.Anthropic(base_url=job["base"], api_key=job["key"])
    return loop(client, job["stream"], job.get("say", "Which fruit?")) if job["do"] == "loop" else ask(client, job)


print(json.dumps([run(job) for job in json.loads(sys.argv[1])]))

"""Uses the OpenAI SDK as a small agent would, by Chat Completions and by Responses, and prints
what came of it. Jobs and results are those of `anthropic_sdk.py`, with "api": "chat" or "responses".
"""

import json
import sys

import openai

FILES = {"a.txt": "apples", "b.txt": "bananas", "three.txt": "three"}
PARAMETERS = {"type": "object", "properties": {"path": {"type": "string"}}}
NAMES = ("read_file", "remove_file")


def chat(client, stream, say):
    tools = [{"type": "function", "function": {"name": name, "parameters": PARAMETERS}} for name in NAMES]
    messages = [{"role": "user", "content": say}]
    made, texts, stops = [], [], []
    while True:
        asked = {"model": "gpt-5.5", "messages": messages, "tools": tools}
        if stream:
            with client.chat.completions.stream(**asked) as events:
                reply = [event for event in events] and events.get_final_completion()
        else:
            reply = client.chat.completions.create(**asked)
        choice = reply.choices[0]
        stops.append(choice.finish_reason)
        texts += [choice.message.content] if choice.message.content else []
        calls = choice.message.tool_calls or []
        if not calls:
            return {"texts": texts, "stops": stops, "calls": made}
        made += [[call.function.name, json.loads(call.function.arguments)] for call in calls]
        shown = [{"id": c.id, "type": "function", "function": {"name": c.function.name, "arguments": c.function.arguments}} for c in calls]
        messages.append({"role": "assistant", "content": choice.message.content, "tool_calls": shown})
        for call in calls:
            path = json.loads(call.function.arguments)["path"]
            messages.append({"role": "tool", "tool_call_id": call.id, "content": FILES[path]})


def responses(client, stream, say):
    tools = [{"type": "function", "name": name, "parameters": PARAMETERS, "strict": False} for name in NAMES]
    items = [{"role": "user", "content": say}]
    made, texts, stops, output = [], [], [], 0
    while True:
        asked = {"model": "gpt-5.5", "input": items, "tools": tools, "store": False}
        if stream:
            with client.responses.stream(**asked) as events:
                reply = events.get_final_response()
        else:
            reply = client.responses.create(**asked)
        output += reply.usage.output_tokens
        stops.append(reply.status)
        texts += [reply.output_text] if reply.output_text else []
        calls = [item for item in reply.output if item.type == "function_call"]
        if not calls:
            return {"texts": texts, "stops": stops, "calls": made, "output": output}
        made += [[call.name, json.loads(call.arguments)] for call in calls]
        for item in reply.output:
            if item.type == "function_call":
                items.append({"type": "function_call", "call_id": item.call_id, "name": item.name, "arguments": item.arguments})
            elif item.type == "message":
                items.append({"role": "assistant", "content": item.content[0].text})
        for call in calls:
            output_of = FILES[json.loads(call.arguments)["path"]]
            items.append({"type": "function_call_output", "call_id": call.call_id, "output": output_of})


def ask(client, job):
    model, say, extra = job.get("model", "gpt-5.5"), job.get("say", "Hello."), job.get("extra")
    try:
        if job["api"] == "chat":
            messages = [{"role": "user", "content": say}]
            reply = client.chat.completions.create(model=model, messages=messages, extra_body=extra)
            return {"text": reply.choices[0].message.content}
        return {"text": client.responses.create(model=model, input=say, extra_body=extra).output_text}
    except openai.APIStatusError as error:
        shown = {"class": type(error).__name__, "status": error.status_code, "shown": str(error)}
        return {**shown, "message": error.body["message"], "code": error.code, "request": error.request_id}


def run(job):
    client = openai.OpenAI(base_url=job["base"] + "/v1", api_key=job["key"])
    if job["do"] == "ask":
        return ask(client, job)
    return {"chat": chat, "responses": responses}[job["api"]](client, job["stream"], job.get("say", "Which fruit?"))


print(json.dumps([run(job) for job in json.loads(sys.argv[1])]))

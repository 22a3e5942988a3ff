import json
from asked import CHAT, body


def test_one(serve, writer):
    client = serve(writer)
    r = client.post(CHAT, json=body(max_tokens=12, logprobs=True, top_logprobs=2))
    print(r.status_code, r.text)
    with client.stream("POST", CHAT, json=body(max_tokens=12, stream=True, stream_options={"include_usage": True})) as s:
        for line in s.iter_lines():
            print(line)
    assert 0

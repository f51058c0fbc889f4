"""A served reward model as reward function, against a server that answers as vLLM does."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from trueward.alignment.reward_function import RemoteReward
from trueward.errors import RunError


@pytest.fixture
def server():
    seen = []

    class Handler(BaseHTTPRequestHandler):
        reply = staticmethod(lambda body: {"data": [{"index": 0, "probs": [len(str(body))]}]})

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            seen.append(body)
            answer = json.dumps(Handler.reply(body)).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}/classify", seen, Handler
        http.shutdown()
        thread.join()


def test_text_and_messages(server):
    url, seen, _ = server
    reward = RemoteReward(url, "rm")
    got = reward(prompts=["a "], completions=["b"], completion_ids=[[1]], other=[2])
    user, reply = {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}
    got += reward([[user]], [[reply]])
    assert seen == [
        {"model": "rm", "input": "a b", "use_activation": False},
        {"model": "rm", "messages": [user, reply], "use_activation": False},
    ]
    assert got == [float(len(str(body))) for body in seen]


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ({"error": "no such model"}, "data[0].probs[0]"),
        ({"data": [{"probs": [float("nan")]}]}, "the reward is nan"),
    ],
)
def test_a_reply_without_a_reward(server, reply, said):
    url, _, handler = server
    handler.reply = staticmethod(lambda body: reply)
    with pytest.raises(RunError) as raised:
        RemoteReward(url, "rm")(["a"], ["b"])
    assert said in str(raised.value)


def test_no_server():
    with pytest.raises(RunError, match="no reward"):
        RemoteReward("http://127.0.0.1:9/classify", "rm")(["a"], ["b"])

import pytest
from helpers.tiny_tokenizers import (
    CHATML,
    bert_words,
    bos_words,
    byte_bpe,
    closing_words,
    decoder_words,
    ids,
    turns,
    words,
)

from trueward.data import DEFAULT_CHAT_TEMPLATE, Encoder
from trueward.errors import DataError


def with_template(tokenizer, template):
    tokenizer.chat_template = template
    return tokenizer


@pytest.mark.parametrize(
    ("tokenizer", "expected"),
    [
        (decoder_words, "a b c d </s>"),
        (bos_words, "<s> a b c d </s>"),
        (bert_words, "[CLS] a b c d [SEP]"),
        (closing_words, "a b c d </s>"),
        (words, "a b c d"),
    ],
)
def test_text_is_framed_and_closed_once(tokenizer, expected):
    encoder = Encoder(tokenizer())
    assert encoder.encode("a b ", "c d") == ids(expected)
    if "</s>" in expected and tokenizer is not closing_words:
        assert encoder.encode("a b ", "c d </s>") == ids(expected)


def test_an_opening_token_that_is_also_eos_does_not_count_as_closing():
    tokenizer = words("</s> $A", bos_token="</s>", eos_token="</s>")
    assert Encoder(tokenizer).encode("a ", "b") == ids("</s> a b </s>")


def test_prompt_and_response_are_joined_verbatim():
    tokenizer = byte_bpe()
    assert Encoder(tokenizer).encode("th", "en") == tokenizer("then<eos>")["input_ids"]
    assert Encoder(tokenizer).encode("th", " en") != Encoder(tokenizer).encode("th", "en")


def test_messages_go_through_the_template_as_transformers_applies_it():
    tokenizer = with_template(decoder_words(), CHATML)
    conversation = turns("a b", "c", "d", "e")
    expected = tokenizer.apply_chat_template(conversation, tokenize=True)["input_ids"]
    assert expected[:4] == ids("<s> user a b")
    assert Encoder(tokenizer).encode(conversation[:3], conversation[3:]) == expected


def test_bos_is_not_doubled_where_template_and_tokenizer_both_add_it():
    template = "{{ bos_token }} {{ messages[0]['content'] }} {{ messages[1]['content'] }}</s>"
    tokenizer = with_template(bos_words(), template)
    assert Encoder(tokenizer).encode(turns("a"), turns("", "b")[1:]) == ids("<s> a b </s>")


@pytest.mark.parametrize("own", [True, False], ids=["template frames", "template does not"])
def test_an_encoder_has_its_frame_once_around_messages(own):
    template = "{% for m in messages %}{{ m['content'] }} {% endfor %}"
    template = f"[CLS] {template} [SEP]" if own else template
    tokenizer = with_template(bert_words(), template)
    assert Encoder(tokenizer).encode(turns("a"), turns("", "b")[1:]) == ids("[CLS] a b [SEP]")


def test_text_beside_messages_is_one_turn():
    encoder = Encoder(with_template(decoder_words(), CHATML))
    whole = encoder.encode(turns("a"), turns("", "b")[1:])
    assert encoder.encode("a", turns("", "b")[1:]) == whole
    assert encoder.encode(turns("a"), "b") == whole


def test_template_arguments_reach_the_template():
    template = "{{ style }} {% for t in tools %}{{ t['name'] }} {% endfor %}"
    encoder = Encoder(with_template(decoder_words(), template))
    tools = [{"name": "b"}, {"name": "c"}]
    assert encoder.encode(turns("q"), "r", style="a", tools=tools) == ids("a b c")


def test_the_default_template_is_plain_turns():
    def rendered(tokenizer, messages, **options):
        return with_template(tokenizer, DEFAULT_CHAT_TEMPLATE).apply_chat_template(
            messages, tokenize=False, **options
        )

    conversation = [{"role": "system", "content": "e"}, *turns("a b", " c\n", "d", "e")]
    expected = "System: e\n\nUser: a b\n\nAssistant:  c\n</s>\n\nUser: d\n\nAssistant: e</s>"
    assert rendered(decoder_words(), conversation) == expected
    assert rendered(bos_words(), conversation) == "<s>" + expected
    assert rendered(bert_words(), conversation) == expected.replace("</s>", "")
    awaiting = rendered(decoder_words(), turns("a"), add_generation_prompt=True)
    assert awaiting == "User: a\n\nAssistant:"
    parts = [{"role": "user", "content": [{"type": "text", "text": t} for t in ("a", "b")]}]
    assert rendered(words(), parts) == "User: ab"


@pytest.mark.parametrize(
    ("tokenizer", "expected"),
    [
        (decoder_words, "user : a assistant : b </s>"),
        (bos_words, "<s> user : a assistant : b </s>"),
        (bert_words, "[CLS] user : a assistant : b [SEP]"),
    ],
)
def test_the_default_template_frames_each_tokenizer_once(tokenizer, expected):
    lower = DEFAULT_CHAT_TEMPLATE.replace("| capitalize", "").replace("Assistant", "assistant")
    encoder = Encoder(with_template(tokenizer(), lower))
    assert encoder.encode(turns("a"), turns("", "b")[1:]) == ids(expected)


# Length


@pytest.mark.parametrize(
    ("tokenizer", "policy", "expected"),
    [
        (decoder_words, "truncate_left", "c d e </s>"),
        (decoder_words, "truncate_right", "a b c d"),
        (bos_words, "truncate_left", "<s> d e </s>"),
        (bos_words, "truncate_right", "<s> a b c"),
        (bert_words, "truncate_left", "[CLS] d e [SEP]"),
        (bert_words, "truncate_right", "[CLS] a b [SEP]"),
        (closing_words, "truncate_left", "c d e </s>"),
        (closing_words, "truncate_right", "a b c </s>"),
    ],
)
def test_truncation_keeps_the_tokens_the_tokenizer_itself_adds(tokenizer, policy, expected):
    encoder = Encoder(tokenizer(), 4, policy)
    assert encoder.fit(encoder.encode("a b ", "c d e")) == ids(expected)


def test_what_fits_is_left_alone_under_every_policy():
    for policy in ("drop", "truncate_left", "truncate_right", "error"):
        encoder = Encoder(bert_words(), 4, policy)
        assert encoder.fit(ids("[CLS] a b [SEP]")) == ids("[CLS] a b [SEP]")
    assert Encoder(bert_words()).fit(list(range(9999))) == list(range(9999))


def test_drop_and_error():
    assert Encoder(decoder_words(), 2, "drop").fit(ids("a b c")) is None
    with pytest.raises(DataError, match="3 tokens are more than max_length=2"):
        Encoder(decoder_words(), 2, "error").fit(ids("a b c"))


# Bad input


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((4, "truncate-left"), "unknown truncation 'truncate-left'; did you mean 'truncate_left'"),
        ((2, "drop"), "above the tokenizer's own 2 special tokens, got 2"),
        ((0, "drop"), "above the tokenizer's own 2 special tokens, got 0"),
    ],
)
def test_impossible_encoders_are_refused(options, said):
    with pytest.raises(DataError, match=said):
        Encoder(bert_words(), *options)


def test_messages_without_a_template_name_the_remedy():
    with pytest.raises(DataError, match="chat_template_path"):
        Encoder(decoder_words()).encode(turns("a"), "b")


def test_a_template_that_refuses_says_so():
    tokenizer = with_template(decoder_words(), "{{ raise_exception('roles must alternate') }}")
    with pytest.raises(DataError, match=r"chat template refuses .*roles must alternate"):
        Encoder(tokenizer).encode(turns("a"), "b")

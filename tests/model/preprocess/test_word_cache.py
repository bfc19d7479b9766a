"""Words that were seen before are not encoded again; what is kept of them is bounded."""

import random
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from tokenizers import Tokenizer

from model.preprocess import text
from model.preprocess.text import CACHED_LENGTH, EncodedText, TextPreprocessor

WORDS = [f"{a}{b}ing{c}" for a in "abcdefgh" for b in ("un", "re", "don't") for c in "0123456789"]


class Counting:
    """A tokenizer that notes what it is asked."""

    def __init__(self, tokenizer: Tokenizer):
        self._tokenizer = tokenizer
        self.asked: list[str] = []

    def encode(self, word: str, add_special_tokens: bool):
        self.asked.append(word)
        return self._tokenizer.encode(word, add_special_tokens=add_special_tokens)


@pytest.fixture
def fresh(preprocessor) -> TextPreprocessor:
    """With an empty cache, and a tokenizer that counts."""
    new = TextPreprocessor(preprocessor.tokenizer.to_str(), 512)
    new.tokenizer = Counting(new.tokenizer)
    return new


def plain(encoded: EncodedText) -> tuple:
    return encoded.token_ids.tolist(), encoded.words, encoded.first, encoded.offsets


def test_a_word_is_encoded_once_in_text_and_as_a_word(fresh):
    first = fresh.encode_text("wake me, wake me up")
    assert fresh.tokenizer.asked == ["wake", "me", ",", "up"]
    assert plain(fresh.encode_text("wake me, wake me up")) == plain(first)
    words = fresh.encode_words(["wake", "me", ",", "wake", "me", "up"])
    assert words.token_ids.tolist() == first.token_ids.tolist()
    assert fresh.tokenizer.asked == ["wake", "me", ",", "up"]


def test_a_word_without_pieces_is_known_too(fresh):
    for _ in range(3):
        assert len(fresh.encode_text("\u200b wake").words) == 1
        assert len(fresh.encode_words(["\u200b", "wake"]).first) == 2
    assert fresh.tokenizer.asked == ["\u200b", "wake"]


@pytest.mark.parametrize(("length", "times"), [(CACHED_LENGTH, 1), (CACHED_LENGTH + 1, 3)])
def test_long_words_are_not_kept(fresh, length: int, times: int):
    for _ in range(3):
        fresh.encode_text("x" * length)
    assert fresh.tokenizer.asked == ["x" * length] * times


def test_the_cache_is_bounded_and_what_was_forgotten_is_encoded_again(fresh, monkeypatch):
    monkeypatch.setattr(text, "CACHED_WORDS", 50)
    before = [plain(fresh.encode_text(word)) for word in WORDS]
    assert len(WORDS) > 200
    assert len(fresh._known) <= 50
    assert [plain(fresh.encode_text(word)) for word in WORDS] == before
    assert len(fresh._known) <= 50
    assert len(fresh.tokenizer.asked) == 2 * len(WORDS)


def test_one_text_of_more_words_than_are_kept(fresh, preprocessor, monkeypatch):
    monkeypatch.setattr(text, "CACHED_WORDS", 3)
    words = " ".join(WORDS[:40] * 2)
    assert plain(fresh.encode_text(words)) == plain(preprocessor.encode_text(words))
    assert len(fresh._known) <= 3


def test_the_real_bound_holds(fresh):
    for start in range(0, text.CACHED_WORDS + 300, 150):
        fresh.encode_words([str(number) for number in range(start, start + 150)])
    assert 0 < len(fresh._known) <= text.CACHED_WORDS


def test_what_is_given_away_is_not_the_caches_own(fresh):
    first = fresh.encode_text("wake up")
    first.token_ids[:] = 0
    first.first.clear()
    first.offsets.clear()
    assert len(fresh.encode_text("wake up").first) == 2
    assert fresh.encode_text("wake up").token_ids.all()


def test_threads_that_share_it_get_what_each_would_alone(fresh, preprocessor, monkeypatch):
    """A cache that is emptied all the time, and threads that change places all the time."""
    monkeypatch.setattr(text, "CACHED_WORDS", 20)
    draw = random.Random(5)
    texts = [" ".join(draw.choices([*WORDS, "\u200b", "x" * 40], k=9)) for _ in range(300)]
    expected = [plain(preprocessor.encode_text(each)) for each in texts]
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            found = [plain(each) for each in pool.map(fresh.encode_text, texts)]
    finally:
        sys.setswitchinterval(interval_s)
    assert found == expected
    assert len(fresh._known) < 20 + 4

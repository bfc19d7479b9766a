import itertools
import unicodedata

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from model.errors import DataError, InputError
from model.preprocess.text import TextPreprocessor, split_words

NASTY = (
    "\ud800 \udfff \0 \u0301 e\u0301 \u200b \u200d \ufeff \u202e \u00ad \u0085 \u2028 \u3000 "
    "\ufffd 👩‍👩‍👧 👍🏽 🇨🇭 你好 東京 שלום مرحبا ＡＢＣ１ ﬁ ß İ ǆ ½ ① don't p.m. ... "
    "[SEP] [CLS] [MASK] [PAD] ##ing U.S.A. $5 #1 @me _ - — „a“ ( ) a1b2 x" + "y" * 40
).split(" ")
LONG_WORD = "antidisestablishmentarianistically"
ANY_TEXT = st.lists(
    st.text(st.characters(exclude_categories=()), max_size=6)
    | st.sampled_from([*NASTY, " ", "\t", "\n"])
).map("".join)


@pytest.fixture(scope="module")
def reference(preprocessor) -> Tokenizer:
    """A tokenizer of its own, which never reads special tokens from text."""
    tokenizer = Tokenizer.from_str(preprocessor.tokenizer.to_str())
    tokenizer.encode_special_tokens = True
    return tokenizer


def is_edge(character: str) -> bool:
    return unicodedata.category(character)[0] in "PS"


@given(ANY_TEXT)
def test_words_cover_all_but_white_space_once_and_in_order(text):
    words = split_words(text)
    assert all(start < end for start, end in words)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(words))
    assert not any(character.isspace() for s, e in words for character in text[s:e])
    covered = "".join(text[start:end] for start, end in words)
    assert covered == "".join(text.split())


@given(ANY_TEXT)
def test_a_word_is_one_symbol_or_has_none_at_its_edges(text):
    for start, end in split_words(text):
        assert end - start == 1 or not (is_edge(text[start]) or is_edge(text[end - 1]))


def test_splits_as_documented():
    text = "don't go to p.m., ok? (A-1) $5 ... 你好，世界"
    words = [text[start:end] for start, end in split_words(text)]
    expected = "don't go to p.m . , ok ? ( A-1 ) $ 5 . . . 你好，世界"
    assert words == expected.split()


@given(ANY_TEXT)
@example("e\u0301 \u200b [SEP] 你好👍🏽")
def test_text_is_encoded_as_the_tokenizer_encodes_its_words(preprocessor, reference, text):
    try:
        encoded = preprocessor.encode_text(text)
    except InputError:
        encoded = None
    kept = encoded.words if encoded else []
    text = without_surrogates(text)
    if encoded:
        check_encoding(encoded, [text[start:end] for start, end in kept], reference)
    dropped = [text[start:end] for start, end in set(split_words(text)) - set(kept)]
    assert all(ids == [] for ids in pieces_of(reference, dropped))


@given(st.lists(ANY_TEXT, max_size=9))
@example(["[SEP]", "\u200b", "ok"])
def test_words_are_encoded_one_for_one(preprocessor, reference, words):
    has_pieces = [bool(ids) for ids in pieces_of(reference, words)]
    if not any(has_pieces):
        with pytest.raises(InputError, match="at least one word is needed"):
            preprocessor.encode_words(words)
        return
    encoded = preprocessor.encode_words(words)
    assert encoded.words is None
    assert len(encoded.first) == len(words)
    for index, (first, known) in enumerate(zip(encoded.first, has_pieces, strict=True)):
        if not known:
            assert encoded.token_ids[first] == reference.token_to_id("[UNK]")
            assert encoded.pieces[first] == (index, 0, 0)
    if all(has_pieces):
        check_encoding(encoded, words, reference)


def without_surrogates(text: str) -> str:
    """Half a surrogate pair cannot be encoded; it counts as the replacement character."""
    return "".join("\ufffd" if unicodedata.category(c) == "Cs" else c for c in text)


def pieces_of(reference: Tokenizer, words: list[str]) -> list[list[int]]:
    cleaned = [without_surrogates(word) for word in words]
    return [e.ids for e in reference.encode_batch(cleaned, add_special_tokens=False)]


def check_encoding(encoded, words: list[str], reference: Tokenizer) -> None:
    cleaned = [without_surrogates(word) for word in words]
    expected = reference.encode(cleaned, is_pretokenized=True)
    assert encoded.token_ids.dtype == np.int64
    assert encoded.token_ids.tolist() == expected.ids
    pairs = zip(expected.word_ids, expected.offsets, strict=True)
    assert encoded.pieces == [None if word is None else (word, *span) for word, span in pairs]
    assert encoded.first == [expected.word_ids.index(i) for i in range(len(words))]
    for piece in filter(None, encoded.pieces):
        word, start, end = piece
        assert 0 <= start <= end <= len(words[word])


@pytest.mark.parametrize("special", ["[SEP]", "[CLS]", "[UNK]", "[PAD]", "[MASK]"])
def test_special_token_typed_by_a_user_is_plain_text(preprocessor, special):
    ids = {preprocessor.tokenizer.token_to_id(special)}
    assert not ids & set(preprocessor.encode_words(["a", special]).token_ids[1:-1].tolist())
    assert not ids & set(preprocessor.encode_text(f"a {special} b").token_ids[1:-1].tolist())


def test_special_positions_are_named(preprocessor):
    token_ids = preprocessor.encode_text("hello").token_ids
    assert preprocessor.special_text(int(token_ids[0])) == "[CLS]"
    assert preprocessor.special_text(int(token_ids[-1])) == "[SEP]"


def test_split_word_keeps_its_pieces_offsets(preprocessor):
    encoded = preprocessor.encode_text("  unbelievably ok")
    assert encoded.words == [(2, 14), (15, 17)]
    text = "unbelievably"
    spelled = "".join(text[s:e] for word, s, e in filter(None, encoded.pieces) if word == 0)
    assert spelled == text
    assert encoded.first[1] > 2  # the first word has several pieces


def test_too_long_input_says_how_long_and_what_is_allowed(preprocessor):
    short = TextPreprocessor(preprocessor.tokenizer.to_str(), 5)
    assert len(short.encode_text("one two three").token_ids) == 5
    for encode, value in ((short.encode_text, "a b c d"), (short.encode_words, list("abcd"))):
        with pytest.raises(InputError, match="6 positions; at most 5 are allowed"):
            encode(value)


@pytest.mark.parametrize("text", ["", "  \n\t", "\u200b", "\0"])
def test_text_without_a_visible_character_is_an_error(preprocessor, text):
    with pytest.raises(InputError, match="at least one word is needed"):
        preprocessor.encode_text(text)


def test_no_words_are_an_error(preprocessor):
    with pytest.raises(InputError, match="at least one word is needed"):
        preprocessor.encode_words([])


def test_truncation_and_padding_of_the_tokenizer_file_are_not_applied(preprocessor):
    tokenizer = Tokenizer.from_str(preprocessor.tokenizer.to_str())
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=16)
    encoded = TextPreprocessor(tokenizer.to_str(), 512).encode_text(LONG_WORD)
    assert len(encoded.token_ids) > 8
    assert encoded.token_ids.tolist() == preprocessor.encode_text(LONG_WORD).token_ids.tolist()


def test_tokenizer_without_special_tokens_is_refused(preprocessor):
    without = preprocessor.tokenizer.to_str().replace("[CLS]", "[BEGIN]")
    with pytest.raises((InputError, DataError), match=r"the tokenizer has no \[CLS\]"):
        TextPreprocessor(without, 512)

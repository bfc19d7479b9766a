import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.config import SpellingConfig
from model.errors import InputError
from model.preprocess.spelling import SpellingPreprocessor

LETTERS = "'abcdefghijklmnopqrstuvwxyz"
MAX_LETTERS = 32
REPEATS = st.integers(1, 4)
WORDS = st.text(st.sampled_from(LETTERS), min_size=1, max_size=MAX_LETTERS)


def preprocessor(repeat: int = 2) -> SpellingPreprocessor:
    config = SpellingConfig(modality="spelling", letters=LETTERS, repeat=repeat)
    return SpellingPreprocessor(config, MAX_LETTERS * repeat)


@given(WORDS, REPEATS)
def test_each_position_of_a_letter_has_its_id_and_another_one_at_the_end_of_a_word(word, repeat):
    encoder = preprocessor(repeat)
    encoded = encoder.encode(word)
    meanings = [(c, last, place) for c in LETTERS for last in (0, 1) for place in range(repeat)]
    assert encoder.tokens == 1 + len(meanings)
    assert [meanings[i - 1] for i in encoded.token_ids.tolist()] == [
        (c, at == len(word) - 1, place) for at, c in enumerate(word) for place in range(repeat)
    ]
    assert encoded.token_ids.dtype == np.int64
    assert encoded.length == len(word) * repeat
    assert encoded.arrays["token_ids"] is encoded.token_ids


@given(WORDS, REPEATS)
def test_letters_are_known_by_their_positions(word, repeat):
    encoder = preprocessor(repeat)
    owners = [letter for letter in range(len(word)) for _ in range(repeat)]
    assert list(encoder.encode(word).labelled) == [owners.index(at) for at in range(len(word))]
    for start in range(len(owners)):
        for end in range(start + 1, len(owners) + 1):
            place = {"start": owners[start], "end": owners[end - 1] + 1}
            assert encoder.place(start, end) == place


@given(WORDS)
def test_case_does_not_matter(word):
    lower = preprocessor().encode(word).token_ids.tolist()
    for other in (word.upper(), word.title(), word.replace("'", "\u2019")):
        assert preprocessor().encode(other).token_ids.tolist() == lower


@given(st.text(max_size=40))
def test_any_text_is_a_word_or_an_error_that_says_where(text):
    try:
        encoded = preprocessor().encode(text)
    except InputError as error:
        known = {*LETTERS, "\u2019"}
        strange = [i for i, letter in enumerate(text) if letter.lower() not in known]
        if 0 < len(text) <= MAX_LETTERS:
            assert f"{text[strange[0]]!r} at {strange[0]} is none of" in str(error)
        else:
            assert str(error) == f"{len(text)} letters; 1 to 32 are allowed"
    else:
        assert len(encoded.labelled) == len(text)


@pytest.mark.parametrize(
    ("text", "place"), [("hello world", 5), ("na\u00efve", 2), ("gro\u00df", 3), ("x\n", 1)]
)
def test_what_is_no_letter_is_named_with_its_place(text, place):
    with pytest.raises(InputError, match=f" at {place} is none of the letters 'abc.*one word"):
        preprocessor().encode(text)


@pytest.mark.parametrize("letters", ["", "aa", "aB"])
def test_letters_must_be_different_and_lower_case(letters):
    with pytest.raises(ValueError, match="letters"):
        SpellingConfig(modality="spelling", letters=letters, repeat=2)

"""The tokenizer of a bundle, tried before it is trusted."""

from contextlib import suppress
from pathlib import Path

from export.bundle import TOKENIZER, BundleError, Manifest, read_file
from model.errors import InputError
from model.preprocess.text import TextPreprocessor

TRIED = ["a", "\u2603", "\U0001f600"]  # what no vocabulary knows must become an unknown word


def load_tokenizer(folder: Path, manifest: Manifest) -> TextPreprocessor:
    """The preprocessor.

    Raises:
        BundleError: the file was changed, or it is no tokenizer that encodes every text.
    """
    content = read_file(manifest, folder, TOKENIZER)
    try:
        preprocessor = TextPreprocessor(content.decode("utf-8"), manifest.max_length)
        with suppress(InputError):
            preprocessor.encode_words(TRIED)
        return preprocessor
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of `tokenizers` is no Exception
        raise BundleError(f"{folder / TOKENIZER} cannot be used: {error}") from error

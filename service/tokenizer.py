"""The tokenizer of a bundle, tried before it is trusted."""

from contextlib import suppress
from pathlib import Path
from weakref import WeakValueDictionary

from export.bundle import TOKENIZER, BundleError, Manifest, read_file
from model.errors import InputError
from model.preprocess.text import TextPreprocessor

TRIED = ["a", "\u2603", "\U0001f600"]  # what no vocabulary knows must become an unknown word


_in_use: WeakValueDictionary[tuple[str, int], TextPreprocessor] = WeakValueDictionary()


def load_tokenizer(folder: Path, manifest: Manifest) -> TextPreprocessor:
    """The preprocessor; one that is in use already, where file and length are the same.

    Reading it holds the interpreter's lock for some 30 ms, in which nobody is answered.

    Raises:
        BundleError: the file was changed, or it is no tokenizer that encodes every text.
    """
    content = read_file(manifest, folder, TOKENIZER)
    key = manifest.files[TOKENIZER].sha256, manifest.max_length
    if (known := _in_use.get(key)) is not None:
        return known
    try:
        preprocessor = TextPreprocessor(content.decode("utf-8"), manifest.max_length)
        with suppress(InputError):
            preprocessor.encode_words(TRIED)
        _in_use[key] = preprocessor
        return preprocessor
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of `tokenizers` is no Exception
        raise BundleError(f"{folder / TOKENIZER} cannot be used: {error}") from error

"""The tokenizer of a bundle, tried before it is trusted."""

from contextlib import suppress
from pathlib import Path
from weakref import WeakValueDictionary

from export.bundle import TOKENIZER, BundleError, Manifest, read_file
from model.errors import InputError
from model.preprocess.modalities import Preprocessor, make_preprocessor

TRIED = ["a", "\u2603", "\U0001f600"]  # what no vocabulary knows must become an unknown word


_in_use: WeakValueDictionary[tuple[str, str, int], Preprocessor] = WeakValueDictionary()


def load_preprocessor(folder: Path, manifest: Manifest) -> Preprocessor:
    """What encodes a model's inputs; one that is in use already, where all it depends on is equal.

    To read a tokenizer holds the interpreter's lock for some 30 ms, in which nobody is answered.

    Raises:
        BundleError: the tokenizer was changed, or it is none that encodes every text.
    """
    config = manifest.preprocess
    if config.modality != "text":
        return make_preprocessor(config, manifest.max_length, "")
    content = read_file(manifest, folder, TOKENIZER)
    key = config.model_dump_json(), manifest.files[TOKENIZER].sha256, manifest.max_length
    if (known := _in_use.get(key)) is not None:
        return known
    try:
        preprocessor = make_preprocessor(config, manifest.max_length, content.decode("utf-8"))
        with suppress(InputError):
            preprocessor.encode(TRIED)
        _in_use[key] = preprocessor
        return preprocessor
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of `tokenizers` is no Exception
        raise BundleError(f"{folder / TOKENIZER} cannot be used: {error}") from error

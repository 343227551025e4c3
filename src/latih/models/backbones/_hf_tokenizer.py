"""The tokenizer that belongs to a network of text, as the JSON text that the data keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from latih._checks import InputError

from ._hf_load import Pretrained
from ._limits import brief

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_PADS = ("[PAD]", "<pad>")


def read_tokenizer(found: Pretrained) -> tuple[str, int]:
    """The JSON text of tokenizer.json and the id that it pads with; it cuts nothing by itself.

    A network without a token for padding (gpt2) pads with the one that ends a text, which is then not looked at.
    Raises `InputError` where there is no tokenizer.json, it is damaged or does not fit the network.
    """
    text = found.text_file("tokenizer.json")
    if text is None:
        raise InputError(
            f"backbone {found.name!r}: it has no tokenizer.json, and no other tokenizer is read here; write one with "
            "transformers.AutoTokenizer.from_pretrained(...).save_pretrained(folder)."
        )
    tokenizer = _parsed(found.name, text)
    rows = found.net.get_input_embeddings().num_embeddings
    highest = max(tokenizer.get_vocab(with_added_tokens=True).values(), default=0)
    if highest >= rows:
        raise InputError(
            f"backbone {found.name!r}: its tokenizer gives token ids up to {highest}, and the network knows {rows}; "
            "put the tokenizer.json of this network beside it."
        )
    pad = _pad(found, tokenizer)
    tokenizer.no_truncation()
    tokenizer.enable_padding(pad_id=pad, pad_token=tokenizer.id_to_token(pad))
    return tokenizer.to_str(), pad


def _parsed(name: str, text: str) -> Tokenizer:
    from tokenizers import Tokenizer  # comes with transformers

    try:
        return Tokenizer.from_str(text)
    except Exception as error:  # the library raises nothing narrower
        raise InputError(f"backbone {name!r}: tokenizer.json is damaged ({brief(error)}); fetch it again.") from None


def _pad(found: Pretrained, tokenizer: Tokenizer) -> int:
    """What the tokenizer says, by its settings or by the token's name, before what the network's config says."""
    stated = found.json_file("tokenizer_config.json").get("pad_token")
    names = [(tokenizer.padding or {}).get("pad_token"), _content(stated), *_PADS]
    ids = [tokenizer.token_to_id(name) for name in names if isinstance(name, str)]
    config = found.net.config
    ids += [getattr(config, key, None) for key in ("pad_token_id", "eos_token_id")]
    known = (one for one in ids if isinstance(one, int) and one >= 0 and tokenizer.id_to_token(one) is not None)
    pad = next(known, None)
    if pad is None:
        raise InputError(
            f"backbone {found.name!r}: neither tokenizer nor config names a token for padding; "
            "add pad_token to tokenizer_config.json."
        )
    return pad


def _content(token: Any) -> Any:
    return token.get("content") if isinstance(token, dict) else token

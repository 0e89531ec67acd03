"""Makes golden/tokenizers: a small SentencePiece model as LLaMA's, and tokenizer.json files, with what they encode.

Run: pip install sentencepiece tokenizers && python tools/golden/make_tokenizers.py
"""

import io
import json
import pathlib
import platform

import sentencepiece
import tokenizers
from sentencepiece import SentencePieceProcessor, SentencePieceTrainer
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

root = pathlib.Path(__file__).parents[2]
out = root / "golden" / "tokenizers"
corpus = [
    line
    for name in ("README.md", "CONTRIBUTING.md")
    for line in (root / name).read_text().splitlines()
    if line.strip()
]
texts = [
    "",
    " ",
    "   three  spaces and a tab\there",
    "Hello world",
    " leading space",
    "trailing space ",
    "line one\nline two\n\nline four",
    "naïve café, Zürich, Ελλάδα, 日本語, 🙂👩‍👩‍👧",
    "The npm packages are tested with `npm test`, 1234567890 times.",
    "▁ is the sign for a space",
    "\u0000\u0001 control",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
]


def sentencepiece_model() -> bytes:
    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(corpus),
        model_writer=model,
        model_type="bpe",
        vocab_size=700,
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        add_dummy_prefix=True,
        split_digits=True,
        allow_whitespace_only_pieces=True,
        pad_id=-1,
        minloglevel=2,
    )
    return model.getvalue()


def encodings(encode, decode):
    rows = []
    for text in texts:
        ids = encode(text)
        rows.append({"text": text, "ids": ids, "decoded": decode(ids)})
    return rows


def llama_json(sp: SentencePieceProcessor) -> Tokenizer:
    """The same vocabulary as a tokenizer.json, as transformers converts LLaMA's."""
    vocab = {sp.id_to_piece(i): i for i in range(sp.get_piece_size())}
    scores = {sp.id_to_piece(i): sp.get_score(i) for i in range(sp.get_piece_size())}
    merges = []
    for piece in vocab:
        splits = [(piece[:i], piece[i:]) for i in range(1, len(piece)) if piece[:i] in vocab and piece[i:] in vocab]
        splits.sort(key=lambda pair: (vocab[pair[0]], vocab[pair[1]]))
        merges += [(pair, scores[piece]) for pair in splits]
    merges.sort(key=lambda merge: -merge[1])
    tokenizer = Tokenizer(
        models.BPE(vocab, [pair for pair, _ in merges], unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in ("<unk>", "<s>", "</s>")])
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return tokenizer


def byte_level_json() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    return tokenizer


out.mkdir(exist_ok=True)
model = sentencepiece_model()
(out / "sentencepiece.model").write_bytes(model)
sp = SentencePieceProcessor(model_proto=model)
llama = llama_json(sp)
byte_level = byte_level_json()
for name, tokenizer in {"llama": llama, "byte-level": byte_level}.items():
    (out / f"{name}.tokenizer.json").write_text(tokenizer.to_str(pretty=False) + "\n")


def json_encodings(tokenizer: Tokenizer):
    return encodings(
        lambda text: tokenizer.encode(text, add_special_tokens=False).ids,
        lambda ids: tokenizer.decode(ids, skip_special_tokens=True),
    )


record = {
    "source": "tools/golden/make_tokenizers.py",
    "versions": {
        "python": platform.python_version(),
        "sentencepiece": sentencepiece.__version__,
        "tokenizers": tokenizers.__version__,
    },
    "vocab_size": sp.get_piece_size(),
    "sentencepiece": encodings(lambda text: sp.encode(text), lambda ids: sp.decode(ids)),
    "llama": json_encodings(llama),
    "byte-level": json_encodings(byte_level),
}
(out / "encodings.json").write_text(json.dumps(record, ensure_ascii=False, indent=1) + "\n")

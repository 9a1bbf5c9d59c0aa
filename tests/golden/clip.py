"""Golden numbers of CLIP: `transformers` and `open_clip` on small random models, their tokens, their pictures.

Writes beside this file

- `clip_ops.safetensors`: values and gradients of the ops that CLIP needs (gelu, depthwise convolution), as `ops.py`;
- `clip/tokens/`: texts with the ids that both tokenizers give, and the part of CLIP's vocabulary that they need, with its ids:
  the merges that are applied to these texts lead to the same ids as all 48,894;
- `clip/<name>/`: four folders with small random models as the libraries write them, and
- `clip/expected.safetensors`: what the libraries compute from them, `<name>.<what>`, in float64, stored as float32.

    pip install torch transformers open_clip_torch timm safetensors pillow
    python tests/golden/clip.py
"""

import gzip
import json
import pathlib
import shutil

import numpy as np
import open_clip
import timm
import torch
import torch.nn.functional as F
from open_clip.model import CLIP
from open_clip.tokenizer import SimpleTokenizer, default_bpe
from open_clip.transform import image_transform
from PIL import Image
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import save_file as save_tensors
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

try:
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil as ImageProcessor
except ImportError:
    from transformers import CLIPImageProcessor as ImageProcessor

SEED = 20262
HERE = pathlib.Path(__file__).parent
CLIP_FOLDER = HERE / "clip"
random = torch.Generator().manual_seed(SEED)
expected: dict[str, np.ndarray] = {}

PROMPTS = [
    "a photo of a dog",
    "a photo of two cats on a red sofa.",
    "It's a bird, isn't it? 3 of 10!",
    "",
    " ".join(["many words of one sentence that is far too long"] * 9),
]


def put(name: str, value: torch.Tensor) -> None:
    expected[name] = value.detach().float().contiguous().numpy()


# --- ops ------------------------------------------------------------------------------------------------------------------------


def ops() -> None:
    tensors: dict[str, np.ndarray] = {}

    def case(name: str, out: torch.Tensor, inputs: dict[str, torch.Tensor]) -> None:
        seed = torch.randn(out.shape, generator=random).double()
        (out * seed).sum().backward()
        values = {"out": out, "seed": seed, **inputs}
        values |= {f"{key}.grad": leaf.grad for key, leaf in inputs.items()}
        for key, value in values.items():
            tensors[f"{name}.{key}"] = value.detach().float().contiguous().numpy()

    def leaf(*shape: int, scale: float = 1.0) -> torch.Tensor:
        return (torch.randn(*shape, generator=random) * scale).double().requires_grad_()

    x = leaf(6, 11, scale=2.0)
    case("gelu", F.gelu(x), {"x": x})
    x = leaf(6, 11, scale=2.0)
    case("quick_gelu", x * torch.sigmoid(1.702 * x), {"x": x})
    batch, height, width, channels = 2, 5, 9, 3
    x, weight, bias = leaf(batch * height * width, channels), leaf(channels, 49), leaf(1, channels)
    image = x.view(batch, height, width, channels).permute(0, 3, 1, 2)
    y = F.conv2d(image, weight.view(channels, 1, 7, 7), bias[0], padding=3, groups=channels)
    case("depthwise", y.permute(0, 2, 3, 1).reshape(-1, channels), {"x": x, "weight": weight, "bias": bias})
    save_arrays(tensors, HERE / "clip_ops.safetensors")


# --- tokens ---------------------------------------------------------------------------------------------------------------------

COCO = """person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, stop sign, parking meter,
bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, backpack, umbrella, handbag, tie, suitcase, frisbee, skis,
snowboard, sports ball, kite, baseball bat, baseball glove, skateboard, surfboard, tennis racket, bottle, wine glass, cup, fork, knife,
spoon, bowl, banana, apple, sandwich, orange, broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed,
dining table, toilet, tv, laptop, mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink, refrigerator, book, clock,
vase, scissors, teddy bear, hair drier, toothbrush"""

OTHERS = [
    "", " ", "   ", "\t", "\n", "a", "A", "z", "Ω", "é", "中", "😀", "!", "...", "…", "—", "a b  c   d    e", "  leading and trailing  ",
    "tabs\tand\nnew\r\nlines\rhere", "non\u00a0breaking\u2003spaces\u3000wide", "zero\u200bwidth\u200djoiner\u2060", "soft\u00adhyphen",
    "It's", "isn't", "we're they've I'm you'll he'd", "IT'S ISN'T WE'RE THEY'VE I'M YOU'LL HE'D", "rock 'n' roll", "'tis the '90s",
    "dogs' tails", "o'clock", "'s 't 're", "it ' s", "l'été d'un chien", "can’t won’t “quoted” ‘single’ ‛odd‟", "«guillemets» „low“",
    "0", "1234567890", "3.14159", "1,000,000", "1e-5", "50%", "$9.99", "€5", "£3", "¥7", "2nd 3rd 4th", "½ ¼ ² ³ ¹", "Ⅷ Ⅻ ①②③", "٣٤٥", "१२३",
    "100kg", "4x4", "c3po r2d2", "b2b", "12:34:56", "2024-01-31", "+1 (555) 010-9999", "#42", "1/2", "-40°C", "x² + y² = z²",
    "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "?!?!", "wow!!!", "(a) [b] {c} <d>", "a-b-c", "snake_case_name", "CamelCaseName", "kebab-case",
    "e-mail: someone@example.com", "https://example.com/a?b=c&d=e#f", "C:\\path\\file.txt", "~/home/user", "a/b", "and/or", "@user #tag",
    "***bold***", "--- rule ---", "==>", "<-", ":-) ;-) :-(", "¯\\_(ツ)_/¯", "^_^", "<3", "...and then...", "end.", "end .", "a.b.c", "U.S.A.",
    "😀", "😀😃😄", "a 😀 b", "👍🏽", "👨‍👩‍👧‍👦", "🇩🇪🇫🇷", "❤️", "☃️ snow", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🐶🐱🐭", "a photo of a 🐶", "🍕pizza🍕", "✓ ✔ ✗", "★★★☆☆", "♫ ♪", "→ ← ↑ ↓", "∞ ≠ ≤ ≥ ± ×",
    "café", "cafe\u0301", "naïve façade", "Ångström", "A\u030angstro\u0308m", "Müller Straße", "STRASSE ẞ", "El Niño", "São Paulo", "Čeština žluťoučký", "Łódź",
    "İstanbul ISTANBUL ıı", "Þór æther œuvre", "Đặng Tiếng Việt", "ﬁne ﬂat oﬀ oﬃce aﬄuent ﬅ ﬆ", "Ǆ ǅ ǆ Ǉ Ǌ Ĳ ĳ ŉ", "ΣΊΣΥΦΟΣ", "Ελληνικά", "Привет, мир!", "ЁЖ", "שלום", "مرحبا بالعالم",
    "नमस्ते", "สวัสดี", "こんにちは世界", "コーヒー ｺｰﾋｰ", "你好，世界！", "안녕하세요", "한글", "ＦＵＬＬ　ＷＩＤＴＨ １２３！", "ｈａｌｆ", "¡Hola! ¿Qué tal?", "𝔣𝔯𝔞𝔨𝔱𝔲𝔯 𝐛𝐨𝐥𝐝", "ⓒⓘⓡⓒⓛⓔ", "ª º", "µ μ",
    "K Å ſ", "'ſ", "e\u0301\u0323", "a\u0308\u0304", "q\u0323\u0307", "Z̸̧a̵l̶g̷o̴",
    "a &amp; b", "&lt;b&gt;bold&lt;/b&gt;", "<b>a &amp; b</b>", "&amp;amp;", "&amp;lt;", "&amp;amp;lt;", "&quot;quoted&quot;", "&#39;single&#39;", "&#x27;", "&#x1F600;", "&#8364; &euro;",
    "&nbsp;space", "&eacute;t&eacute;", "P&EACUTE;REZ", "&copy 2024", "&copy2024", "&notit; &notin;", "R&D AT&T", "&unknown; &;", "& &", "&#150; &#0; &#1;", "1 &lt 2", "line one &amp;\nline <two> &amp;", "&hellip; &mdash; &frac12;", "&NotEqualTilde;",
    "\ufeffbyte order mark", "bell\x07 null\x00 escape\x1b unit\x1f", "delete\x7f", "\ufffd replacement", "\ufffc object", "private \ue000 use", "line\u2028separator\u2029paragraph", "\u202eright to left\u202c", "\x0bvertical\x0cfeed",
    "a photo of a very large dog, which is sitting on a red sofa in front of a window.", "A PHOTO OF A CAT", "A PhOtO oF a CaT", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "supercalifragilisticexpialidocious", "pneumonoultramicroscopicsilicovolcanoconiosis", "antidisestablishmentarianism", "qwertyuiop asdfghjkl zxcvbnm", "xyzzy plugh", "lorem ipsum dolor sit amet, consectetur adipiscing elit",
    "itap of a", "a bad photo of the", "a origami", "a jpeg corrupted photo of", "graffiti of the", "a tattoo of a", "art of the", "a photo of the nice", "a close-up photo of a", "a black and white photo of the",
    "a b c d e f g h i j k l m n o p q r s t u v w x y z " * 3, "0123456789" * 9, "word " * 80, "dog, " * 40, "😀" * 40, "antidisestablishmentarianism " * 20, "!?" * 90, "é" * 100, "中" * 60, "the quick brown fox jumps over the lazy dog. " * 10, ("x" * 75 + " ") * 2, "a " * 75, "a " * 74, "a " * 76,
]


def texts() -> list[str]:
    names = [name.strip() for name in COCO.replace("\n", " ").split(",")]
    whole = [f"a photo of a {name}" for name in names]
    plain = [f"{name.title()}s: it's the {name.upper()}'s colour, 2 x {len(name)}." for name in names[::2]]
    return whole + plain + OTHERS


class Trace(SimpleTokenizer):
    """A tokenizer that keeps the merges that it applies."""

    def __init__(self) -> None:
        super().__init__()
        self.applied: set[tuple[str, str]] = set()

    def trace(self, token: str) -> None:
        word = list(token[:-1]) + [token[-1] + "</w>"]
        while len(word) > 1:
            pairs = sorted(set(zip(word, word[1:])), key=lambda pair: self.bpe_ranks.get(pair, 1 << 30))
            if pairs[0] not in self.bpe_ranks:
                break
            self.applied.add(pairs[0])
            merged, i = [], 0
            while i < len(word):
                if i + 1 < len(word) and (word[i], word[i + 1]) == pairs[0]:
                    merged.append(word[i] + word[i + 1])
                    i += 2
                else:
                    merged.append(word[i])
                    i += 1
            word = merged


ENDS = ["<|startoftext|>", "<|endoftext|>"]


def needed(wanted: list[str], full: CLIPTokenizer) -> list[tuple[str, str]]:
    """The merges that either tokenizer applies to the texts, in their order."""
    trace = Trace()
    backend = full.backend_tokenizer
    for text in wanted:
        for word in trace.pat.findall(trace.clean_fn(text)):
            trace.trace("".join(trace.byte_encoder[byte] for byte in word.encode()))
        for word, _ in backend.pre_tokenizer.pre_tokenize_str(backend.normalizer.normalize_str(text)):
            trace.trace(word)
    return sorted(trace.applied, key=trace.bpe_ranks.get)


def full_vocabulary() -> tuple[dict[str, int], list[tuple[str, str]]]:
    simple = SimpleTokenizer()
    ids = dict(simple.encoder)
    ids[ENDS[0]], ids[ENDS[1]] = ids.pop("<start_of_text>"), ids.pop("<end_of_text>")
    return ids, list(simple.bpe_ranks)


def write_split(folder: pathlib.Path, ids: dict[str, int], merges: list[tuple[str, str]]) -> None:
    (folder / "vocab.json").write_text(json.dumps(ids, ensure_ascii=False))
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n")


def ids_of(tokenizer: CLIPTokenizer, text: str) -> list[int]:
    return tokenizer(text, truncation=True, max_length=77)["input_ids"]


def simple_ids(tokenizer: SimpleTokenizer, text: str) -> list[int]:
    row = tokenizer(text)[0].tolist()
    return row[: row.index(tokenizer.eot_token_id) + 1]


def tokens() -> None:
    folder = CLIP_FOLDER / "tokens"
    folder.mkdir(parents=True)
    ids, merges = full_vocabulary()
    full = CLIPTokenizer(vocab=ids, merges=merges)
    simple = SimpleTokenizer()
    wanted = texts()
    kept = needed(wanted, full)
    inverse = {index: token for token, index in ids.items()}
    names = [inverse[index] for index in range(512)] + ["".join(pair) for pair in kept] + ENDS
    write_split(folder, {name: ids[name] for name in names}, kept)
    reduced = CLIPTokenizer(vocab={name: ids[name] for name in names}, merges=kept)
    rows = []
    for text in wanted:
        row = {"text": text, "hugging_face": ids_of(full, text), "open_clip": simple_ids(simple, text)}
        assert row["hugging_face"] == ids_of(reduced, text), text
        rows.append(row)
    lines = ",\n".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows)
    (folder / "texts.json").write_text(f"[\n{lines}\n]\n")
    differ = sum(row["hugging_face"] != row["open_clip"] for row in rows)
    print(f"{len(rows)} texts, {differ} with different ids, {len(kept)} of {len(merges)} merges")


def small_vocabulary() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Tokens of the prompts, with ids without gaps."""
    ids, merges = full_vocabulary()
    kept = needed(PROMPTS, CLIPTokenizer(vocab=ids, merges=merges))
    inverse = {index: token for token, index in ids.items()}
    names = [inverse[index] for index in range(512)] + ["".join(pair) for pair in kept] + ENDS
    return {name: index for index, name in enumerate(names)}, kept


# --- models ---------------------------------------------------------------------------------------------------------------------


def randomise(model: torch.nn.Module) -> None:
    """Weights at which every part matters: the libraries' first values are too small for that."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=random)
            if name.endswith("logit_scale"):
                parameter.fill_(3.0)
            elif "norm" in name or "ln_" in name or "stem.1" in name or "downsample.0" in name:
                parameter.copy_(noise * 0.2 + (1.0 if name.endswith("weight") else 0.0))
            elif parameter.ndim > 1 and "embedding" not in name:
                parameter.copy_(noise * parameter[0].numel() ** -0.5)
            else:
                parameter.copy_(noise * 0.5)


def picture() -> Image.Image:
    """Smooth colours and an edge, of odd size."""
    y, x = np.mgrid[0:71, 0:94] / 20.0
    planes = [np.sin(x + y), np.cos(2 * x - y), np.sin(x * y) + (x > 2)]
    noise = torch.randn(71, 94, 3, generator=random).numpy()
    values = np.stack(planes, axis=-1) * 70 + 120 + 12 * noise
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def wide(height: int, width: int) -> torch.Tensor:
    """Pixels of another size than the models were made for, from a formula: value i of the channels-last order."""
    values = torch.arange(height * width * 3)
    return ((values * 7919 % 251 - 125) / 60).view(1, height, width, 3).permute(0, 3, 1, 2).double()


def pooled(dense: torch.Tensor) -> torch.Tensor:
    """Two means of a map [C, h, w]: its left half, and weights that grow along the rows."""
    height, width = dense.shape[1:]
    left = torch.zeros(height, width, dtype=dense.dtype)
    left[:, : (width + 1) // 2] = 1
    ramp = torch.arange(height * width, dtype=dense.dtype).view(height, width)
    return torch.stack([(dense * mask).sum((1, 2)) / mask.sum() for mask in (left, ramp)])


def similarities(name: str, scale: torch.Tensor, image: torch.Tensor, text: torch.Tensor) -> None:
    put(f"{name}.image", image)
    put(f"{name}.text", text)
    put(f"{name}.logits", scale * F.normalize(image, dim=-1) @ F.normalize(text, dim=-1).T)


def hugging_face(name: str, config: dict, store: dict, processing: dict, image: Image.Image, whole: bool) -> None:
    folder = CLIP_FOLDER / name
    ids, merges = small_vocabulary()
    config["text_config"] |= {"vocab_size": len(ids), "bos_token_id": ids[ENDS[0]]}
    config["text_config"].setdefault("eos_token_id", ids[ENDS[1]])
    model = CLIPModel(CLIPConfig(**config)).eval()
    randomise(model)
    model.to(store["dtype"]).save_pretrained(folder, max_shard_size=store["shard"])
    tokenizer = CLIPTokenizer(vocab=ids, merges=merges)
    if whole:
        tokenizer.save_pretrained(folder)
        (folder / "tokenizer_config.json").unlink()
    else:
        write_split(folder, ids, merges)
    processor = ImageProcessor(**processing)
    processor.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)

    model = model.double()
    pixels = processor(image, return_tensors="pt")["pixel_values"]
    put(f"{name}.pixels", pixels[0].permute(1, 2, 0))
    encoded = tokenizer(PROMPTS, truncation=True, max_length=77, padding=True, return_tensors="pt")
    with torch.no_grad():
        out = model(**encoded, pixel_values=pixels.double())
        vision = model.vision_model(pixel_values=pixels.double())
        image_embedding = model.visual_projection(vision.pooler_output)
        text_embedding = model.text_projection(model.text_model(**encoded).pooler_output)
        similarities(name, model.logit_scale.exp(), image_embedding, text_embedding)
        assert torch.allclose(out.logits_per_image.float(), torch.tensor(expected[f"{name}.logits"]), atol=1e-4)

        patch = config["vision_config"]["patch_size"]
        vision = model.vision_model(pixel_values=wide(3 * patch, 7 * patch), interpolate_pos_encoding=True)
        put(f"{name}.wide_image", model.visual_projection(vision.pooler_output))
        squares = model.vision_model.post_layernorm(vision.last_hidden_state[0, 1:])
        put(f"{name}.dense", squares)
        dense = squares.T.reshape(-1, 3, 7)
        put(f"{name}.regions", model.visual_projection(pooled(dense)))


@timm.models.register_model
def convnext_golden(pretrained: bool = False, **options) -> torch.nn.Module:
    sizes = {"depths": [1, 1, 2, 1], "dims": [8, 16, 24, 32]}
    return timm.models.convnext._create_convnext("convnext_tiny", pretrained=pretrained, **sizes, **options)


@timm.models.register_model
def convnext_golden_shallow(pretrained: bool = False, **options) -> torch.nn.Module:
    sizes = {"depths": [2, 1, 1, 1], "dims": [12, 12, 20, 24]}
    return timm.models.convnext._create_convnext("convnext_tiny", pretrained=pretrained, **sizes, **options)


def open_clip_folder(name: str, config: dict, dtype: torch.dtype, processing: dict, image: Image.Image, whole: bool) -> None:
    folder = CLIP_FOLDER / name
    folder.mkdir(parents=True)
    ids, merges = small_vocabulary()
    packed = folder / "bpe_simple_vocab_16e6.txt.gz"
    with gzip.GzipFile(packed, "wb", mtime=0) as file:
        file.write("\n".join(["bpe", *(" ".join(pair) for pair in merges)]).encode())
    tokenizer = SimpleTokenizer(bpe_path=str(packed))
    assert tokenizer.vocab_size == len(ids)
    if whole:
        packed.unlink()
        CLIPTokenizer(vocab=ids, merges=merges).save_pretrained(folder)
        (folder / "tokenizer_config.json").unlink()
    config["text_cfg"]["vocab_size"] = len(ids)
    model = CLIP(**config).eval()
    randomise(model)
    model = model.to(dtype)
    save_tensors({k: v.contiguous() for k, v in model.state_dict().items()}, folder / "open_clip_model.safetensors")
    document = {"model_cfg": config, "preprocess_cfg": processing}
    (folder / "open_clip_config.json").write_text(json.dumps(document, indent=2) + "\n")

    model = model.double()
    side = config["vision_cfg"]["image_size"]
    options = {key: processing[key] for key in ("mean", "std", "interpolation", "resize_mode") if key in processing}
    transform = image_transform(side, is_train=False, **options)
    pixels = transform(image)[None]
    put(f"{name}.pixels", pixels[0].permute(1, 2, 0))
    with torch.no_grad():
        image_embedding = model.encode_image(pixels.double())
        text_embedding = model.encode_text(tokenizer(PROMPTS, context_length=config["text_cfg"].get("context_length", 77)))
        similarities(name, model.logit_scale.exp(), image_embedding, text_embedding)
        pixels = wide(96, 160)
        dense = model.visual.trunk.forward_features(pixels)[0]
        put(f"{name}.dense", dense.permute(1, 2, 0).reshape(-1, dense.shape[0]))
        put(f"{name}.wide_image", model.encode_image(pixels))
        regions = pooled(dense)[:, :, None, None]
        normed = model.visual.trunk.head.norm(regions).flatten(1)
        put(f"{name}.regions", model.visual.head(normed))


def models() -> None:
    image = picture()
    image.save(CLIP_FOLDER / "picture.png")
    towers = {"num_hidden_layers": 2, "hidden_act": "quick_gelu"}
    hugging_face(
        "vit-quick",
        {
            "projection_dim": 16,
            "text_config": {**towers, "hidden_size": 24, "intermediate_size": 48, "num_attention_heads": 3, "eos_token_id": 2},
            "vision_config": {
                **towers, "hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4, "image_size": 32, "patch_size": 8,
            },
        },
        {"dtype": torch.float32, "shard": "1GB"},
        {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}},
        image,
        whole=False,
    )
    towers = {"num_hidden_layers": 3, "hidden_act": "gelu"}
    hugging_face(
        "vit-gelu",
        {
            "projection_dim": 20,
            "text_config": {**towers, "hidden_size": 16, "intermediate_size": 40, "num_attention_heads": 4, "layer_norm_eps": 1e-3},
            "vision_config": {
                **towers, "hidden_size": 24, "intermediate_size": 36, "num_attention_heads": 2, "image_size": 30, "patch_size": 6,
                "layer_norm_eps": 1e-4,
            },
        },
        {"dtype": torch.float16, "shard": "40KB"},
        {
            "size": {"shortest_edge": 37}, "crop_size": {"height": 30, "width": 30}, "resample": 2,
            "image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.3, 0.4],
        },
        image,
        whole=True,
    )
    text = {"context_length": 77, "width": 16, "heads": 2, "layers": 2}
    vision = {"timm_model_pretrained": False, "timm_pool": "", "timm_drop": 0.0, "timm_drop_path": 0.1}
    open_clip_folder(
        "convnext-mlp",
        {"embed_dim": 12, "vision_cfg": {"timm_model_name": "convnext_golden", "timm_proj": "mlp", "image_size": 64, **vision}, "text_cfg": text},
        torch.float32,
        {"mean": [0.48145466, 0.4578275, 0.40821073], "std": [0.26862954, 0.26130258, 0.27577711]},
        image,
        whole=False,
    )
    vision["timm_pool"] = "avg"
    open_clip_folder(
        "convnext-linear",
        {
            "embed_dim": 16,
            "quick_gelu": True,
            "vision_cfg": {"timm_model_name": "convnext_golden_shallow", "timm_proj": "linear", "image_size": 64, **vision},
            "text_cfg": {**text, "context_length": 40},
        },
        torch.bfloat16,
        {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "interpolation": "bilinear", "resize_mode": "squash"},
        image,
        whole=True,
    )
    save_arrays(expected, CLIP_FOLDER / "expected.safetensors")


if __name__ == "__main__":
    shutil.rmtree(CLIP_FOLDER, ignore_errors=True)
    torch.manual_seed(SEED)
    print(f"torch {torch.__version__}, open_clip {open_clip.__version__}, timm {timm.__version__}, {default_bpe()}")
    ops()
    tokens()
    models()

"""Cut the published Whisper-tiny encoder down to the layers that are used, and store the mel filter bank beside them.

Needed once, to make `assets/weights/whisper_tiny_encoder`; it uses librosa, which the rest does not.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

from perception.command import CommandError, check_folder
from perception.speech.audio import RATE_HZ
from perception.speech.encoder import DEFAULT_FOLDER, N_FFT, EncoderConfig, SpeechEncoder
from perception.weights import fill, read_tensor_file, write_folder

PUBLISHED_LAYERS = 4

CARD = """# Whisper-tiny audio encoder, first {layers} of 4 layers

- What: the convolutional front and the first {layers} Transformer layers of the audio encoder of
  [openai/whisper-tiny](https://huggingface.co/openai/whisper-tiny) (Radford et al. 2022, arXiv 2212.04356), in fp16,
  unchanged in value, and the 80-band Slaney mel filter bank (400-point FFT, 16 kHz) as `mel_bank`.
- Left out: the fourth layer, the final norm, the decoder, and the sinusoidal positions (computed when loading).
- Use: `perception.speech.encoder.SpeechEncoder.load()`.
- Made by: `empaw export speech-encoder --source whisper_tiny_encoder_fp16.safetensors`.

## Licence of the weights (MIT)

MIT License

Copyright (c) 2022 OpenAI

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
"""


@dataclass(frozen=True)
class ConvertConfig:
    """Cut a Whisper-tiny encoder (Hugging Face parameter names, safetensors) down to its first layers."""

    source: Path
    """The published encoder as .safetensors with parameters such as layers.0.fc1.weight."""
    out: Path = DEFAULT_FOLDER
    """Folder to write: model.safetensors, config.json, CARD.md."""
    layers: int = 3
    """How many Transformer layers to keep (1 to 4)."""


def main(config: ConvertConfig) -> Path:
    """Write the reduced encoder and return its folder.

    Raises:
        CommandError: a number of layers that the network does not have, or a folder that cannot be written.
        WeightsError: the source is missing, damaged, or of another network.
    """
    import librosa
    import torch

    if not 1 <= config.layers <= PUBLISHED_LAYERS:
        raise CommandError(f"layers is {config.layers}; allowed are 1 to {PUBLISHED_LAYERS}.")
    shape = replace(EncoderConfig(), layers=config.layers)
    encoder = SpeechEncoder(shape)
    wanted = encoder.state_dict().keys()
    tensors = {name: value for name, value in read_tensor_file(config.source).items() if name in wanted}
    check_folder(config.out)
    tensors["mel_bank"] = torch.from_numpy(librosa.filters.mel(sr=RATE_HZ, n_fft=N_FFT, n_mels=shape.mel_bins))
    fill(encoder, tensors, config.source)
    notes = {"source": "openai/whisper-tiny, audio encoder", "licence": "MIT, Copyright (c) 2022 OpenAI"}
    write_folder(config.out, tensors, shape, notes, CARD.format(layers=config.layers))
    print(f"wrote {config.out}", file=sys.stderr)
    return config.out

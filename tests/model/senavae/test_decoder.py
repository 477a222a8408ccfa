from __future__ import annotations

import pytest
import torch

from scpi.model.senavae._decoder import Decoder

BATCH = torch.tensor([[0], [2], [1], [0]])


def randomised(decoder):
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.normal_()
    return decoder.double()


def leaky(x):
    return torch.where(x > 0, x, 0.2 * x)


@pytest.mark.parametrize("positive_output", [False, True])
def test_the_hidden_layer_reads_factors_and_the_code_of_the_batch(positive_output):
    torch.manual_seed(0)
    decoder = randomised(Decoder(2, 5, n_hidden=3, n_batch=3, positive_output=positive_output))
    u = torch.randn(4, 2, dtype=torch.float64)
    code = torch.eye(3, dtype=torch.float64)[BATCH[:, 0]]
    expected = leaky(torch.cat([u, code], 1) @ decoder.first.weight.T + decoder.first.bias)
    expected = expected @ decoder.last.weight.T + decoder.last.bias
    torch.testing.assert_close(decoder(u, BATCH), leaky(expected) if positive_output else expected)
    assert decoder.output_bias is decoder.last.bias


def test_a_decoder_without_a_hidden_layer_is_linear():
    torch.manual_seed(0)
    decoder = randomised(Decoder(2, 5, n_hidden=0, n_batch=1))
    u = torch.randn(4, 2, dtype=torch.float64)
    torch.testing.assert_close(decoder(u), u @ decoder.first.weight.T + decoder.first.bias)
    assert decoder.output_bias is decoder.first.bias


def test_a_decoder_with_batches_needs_them():
    with pytest.raises(ValueError, match="the batch of each cell is needed"):
        Decoder(2, 5, n_batch=3)(torch.zeros(4, 2))


@pytest.mark.parametrize("n_hidden", [0, 3])
def test_mapped_factors_are_read_as_their_product(n_hidden):
    torch.manual_seed(0)
    decoder = randomised(Decoder(2, 5, n_hidden=n_hidden, n_batch=3))
    u, matrix = torch.randn(4, 2, dtype=torch.float64), torch.randn(2, 2, dtype=torch.float64)
    expected = decoder(u @ matrix, BATCH)
    decoder.map_factors(matrix)
    torch.testing.assert_close(decoder(u, BATCH), expected)

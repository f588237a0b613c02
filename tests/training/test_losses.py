"""The losses against slow, obvious implementations and closed forms."""

import math

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from veroallarme_training.losses import (  # noqa: E402
    ContrastiveLoss,
    relevance_loss,
    segmentation_loss,
)


def slow_nt_xent(one, other, temperature):
    """Equation 1 of SimCLR, pair by pair in plain Python."""
    views = [*one.tolist(), *other.tolist()]

    def similarity(a, b):
        dot = sum(x * y for x, y in zip(a, b, strict=True))
        return dot / math.sqrt(sum(x * x for x in a)) / math.sqrt(sum(y * y for y in b))

    count = len(one)
    total = 0.0
    for i, view in enumerate(views):
        partner = (i + count) % (2 * count)
        weights = [
            math.exp(similarity(view, rest) / temperature) if k != i else 0.0
            for k, rest in enumerate(views)
        ]
        total -= math.log(weights[partner] / sum(weights))
    return total / len(views)


def slow_with_bank(one, other, bank, temperature):
    """Equation 1 of MoCo with given negatives."""
    total = 0.0
    for anchor, positive in zip(one, other, strict=True):
        right = math.exp(float(anchor @ positive) / temperature)
        wrong = sum(math.exp(float(anchor @ negative) / temperature) for negative in bank)
        total -= math.log(right / (right + wrong))
    return total / len(one)


class TestContrastiveLoss:
    @pytest.mark.parametrize("count", [2, 3, 7])
    @pytest.mark.parametrize("dim", [2, 16])
    @pytest.mark.parametrize("temperature", [0.07, 0.5, 2.0])
    def test_equals_a_slow_oracle(self, count, dim, temperature):
        generator = torch.Generator().manual_seed(count * 100 + dim)
        one = torch.randn(count, dim, generator=generator, dtype=torch.float64)
        other = torch.randn(count, dim, generator=generator, dtype=torch.float64)
        loss = ContrastiveLoss(temperature)(one, other)
        assert float(loss) == pytest.approx(slow_nt_xent(one, other, temperature), rel=1e-9)

    @pytest.mark.parametrize("count", [2, 5])
    def test_all_alike_is_the_logarithm_of_the_choices(self, count):
        same = torch.ones(count, 8)
        assert float(ContrastiveLoss(0.07)(same, same)) == pytest.approx(math.log(2 * count - 1))

    def test_perfect_and_orthogonal_pairs(self):
        eye = torch.eye(4)
        expected = -math.log(math.exp(1 / 0.5) / (math.exp(1 / 0.5) + 6))
        assert float(ContrastiveLoss(0.5)(eye, eye)) == pytest.approx(expected, rel=1e-6)

    def test_the_memory_bank_holds_the_negatives(self):
        generator = torch.Generator().manual_seed(2)
        unit = torch.nn.functional.normalize
        one = unit(torch.randn(3, 8, generator=generator), dim=1)
        other = unit(torch.randn(3, 8, generator=generator), dim=1)
        loss = ContrastiveLoss(0.2, memory_bank_size=12, feature_dim=8)
        bank = loss.bank_state()["bank"]
        expected = slow_with_bank(one, other, bank, 0.2)
        assert float(loss(one, other)) == pytest.approx(expected, rel=1e-5)

    def test_the_bank_is_taken_back(self):
        loss = ContrastiveLoss(0.2, memory_bank_size=12, feature_dim=8)
        batch = torch.randn(3, 8, requires_grad=True)
        loss(batch, batch)
        other = ContrastiveLoss(0.2, memory_bank_size=12, feature_dim=8)
        other.load_bank_state(loss.bank_state())
        for name, value in loss.bank_state().items():
            assert torch.equal(other.bank_state()[name], value)
        assert int(other.bank_state()["pointer"]) == 3


class TestSegmentationLoss:
    @pytest.mark.parametrize("weight", [1.0, 3.0])
    def test_equals_a_slow_oracle(self, weight):
        generator = torch.Generator().manual_seed(5)
        logits = torch.randn(2, 2, 4, 5, generator=generator)
        mask = torch.randint(-1, 2, (2, 4, 5), generator=generator)
        total, counted = 0.0, 0.0
        for n in range(2):
            for y in range(4):
                for x in range(5):
                    label = int(mask[n, y, x])
                    if label < 0:
                        continue
                    a, b = (float(v) for v in logits[n, :, y, x])
                    chosen = (a, b)[label]
                    factor = weight if label else 1.0
                    total += factor * (math.log(math.exp(a) + math.exp(b)) - chosen)
                    counted += factor
        assert float(segmentation_loss(logits, mask, weight)) == pytest.approx(
            total / counted, rel=1e-5
        )

    def test_undecided_logits_cost_the_logarithm_of_two(self):
        logits, mask = torch.zeros(1, 2, 8, 8), torch.randint(0, 2, (1, 8, 8))
        assert float(segmentation_loss(logits, mask, 5.0)) == pytest.approx(math.log(2))

    def test_nothing_known_is_no_loss_but_a_number(self):
        logits = torch.zeros(1, 2, 8, 8, requires_grad=True)
        loss = segmentation_loss(logits, torch.full((1, 8, 8), -1))
        loss.backward()
        assert float(loss.detach()) == 0.0
        assert float(logits.grad.abs().sum()) == 0.0

    def test_dice_of_certain_answers(self):
        mask = torch.zeros(1, 4, 4, dtype=torch.int64)
        mask[0, :2] = 1
        logits = torch.zeros(1, 2, 4, 4)
        logits[0, 1, :, :2] = 100.0  # left half: relevant; the truth is the upper half
        logits[0, 0, :, 2:] = 100.0
        plain = float(segmentation_loss(logits, mask))
        dice = float(segmentation_loss(logits, mask, dice_weight=1.0)) - plain
        assert dice == pytest.approx(1 - (2 * 4 + 1) / (8 + 8 + 1), rel=1e-4)

    def test_dice_does_not_count_what_is_unknown(self):
        mask = torch.full((1, 2, 2), -1)
        mask[0, 0, 0] = 1
        logits = torch.zeros(1, 2, 2, 2)
        logits[0, 1] = 100.0
        with_dice = segmentation_loss(logits, mask, dice_weight=1.0)
        assert float(with_dice) == pytest.approx(0.0, abs=1e-5)


class TestRelevanceLoss:
    def test_equals_a_slow_oracle(self):
        logits = torch.tensor([[0.2, 1.5], [2.0, -1.0], [0.0, 0.3]])
        label, weight = torch.tensor([1, 0, 0]), torch.tensor([1.0, 0.5, 1.0])
        factors = [3.0 * 1.0, 0.7 * 0.5, 0.7 * 1.0]
        losses = [
            math.log(sum(math.exp(v) for v in row)) - row[answer]
            for row, answer in zip(logits.tolist(), label.tolist(), strict=True)
        ]
        expected = sum(f * v for f, v in zip(factors, losses, strict=True)) / sum(factors)
        loss = relevance_loss(logits, label, weight, (0.7, 3.0))
        assert float(loss) == pytest.approx(expected, rel=1e-6)

    def test_a_label_without_weight_teaches_nothing(self):
        logits = torch.zeros(2, 2, requires_grad=True)
        relevance_loss(logits, torch.tensor([0, 1]), torch.tensor([1.0, 0.0])).backward()
        assert float(logits.grad[1].abs().sum()) == 0.0
        assert float(logits.grad[0].abs().sum()) > 0.0

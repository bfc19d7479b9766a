import torch

from model import checkpoint as checkpoints
from model import recipe as recipes
from model.batches import Batches, collate
from model.recipe import Recipe
from model.training_config import AugmentConfig, DistillConfig


def augmented(recipe: Recipe, copies: int, **others: object) -> Recipe:
    augment = AugmentConfig(exchange=0.5, surface=0.5, copies=copies)
    return recipe.model_copy(update={"augment": augment, **others})


def sentences(batches: Batches, epoch: int) -> list[list[int]]:
    """The epoch's sentences as token ids, in order."""
    return [
        ids[valid].tolist()
        for batch in batches.of_epoch(epoch)
        for ids, valid in zip(*batch.arrays.values(), strict=True)
    ]


def test_every_example_is_seen_once_an_epoch_in_an_order_of_its_own(tiny_recipe, data):
    recipe = tiny_recipe()
    batches = Batches(recipe, recipes.prepare(recipe, data))
    sizes = [len(batch.arrays["token_ids"]) for batch in batches.of_epoch(0)]
    assert sorted(sizes) == [2, 3, 3]
    assert sorted(sentences(batches, 0)) == sorted(sentences(batches, 1))
    assert sentences(batches, 0) != sentences(batches, 1)


def test_an_epoch_asked_for_twice_is_the_same(tiny_recipe, data):
    recipe = augmented(tiny_recipe(), copies=0)
    one, other = (Batches(recipe, recipes.prepare(recipe, data)) for _ in range(2))
    sentences(one, 0)
    assert sentences(one, 1) == sentences(other, 1)


def test_copies_come_back_after_as_many_epochs_as_the_recipe_says(tiny_recipe, data):
    recipe = augmented(tiny_recipe(), copies=2)
    batches = Batches(recipe, recipes.prepare(recipe, data))
    epochs = [sorted(sentences(batches, epoch)) for epoch in range(4)]
    assert epochs[0] == epochs[2]
    assert epochs[1] == epochs[3]
    assert epochs[0] != epochs[1]


def test_a_teachers_answers_go_with_their_examples(tiny_recipe, data, tmp_path):
    path = tmp_path / "teacher.safetensors"
    teacher = recipes.prepare(tiny_recipe(seed=5), data).checkpoint
    checkpoints.save(teacher, path)
    teacher.network.eval()
    distill = DistillConfig(teachers=(str(path),))
    recipe = augmented(tiny_recipe(), copies=1, distill=distill)
    prepared = recipes.prepare(recipe, data)
    batches = Batches(recipe, prepared)
    for epoch in range(2):  # the second time from what was kept
        for batch in batches.of_epoch(epoch):
            with torch.inference_mode():
                logits = teacher.network(batch.arrays).logits
            labelled = batch.targets["slots"] >= 0
            shares = logits["slots"][labelled].softmax(-1)
            torch.testing.assert_close(batch.taught["slots"], shares, atol=0.03, rtol=0)
            shares = logits["intent"].softmax(-1)
            torch.testing.assert_close(batch.taught["intent"], shares, atol=0.03, rtol=0)


def test_token_targets_stand_at_the_first_piece_of_each_word(tiny_recipe, data):
    prepared = recipes.prepare(tiny_recipe(), data)
    preprocessor, examples = prepared.checkpoint.preprocessor(), prepared.splits.train[:3]
    batch = collate(examples, prepared.checkpoint, preprocessor)
    heads = {head.name: head for head in prepared.checkpoint.network.config.heads}
    for row, example in enumerate(examples):
        encoded = preprocessor.encode_words(list(example.source))
        expected = {
            first: heads["slots"].labels.index(tag)
            for first, tag in zip(encoded.first, example.targets["slots"], strict=True)
        }
        found = batch.targets["slots"][row]
        assert {i: found[i].item() for i in range(len(found)) if found[i] != -100} == expected
        intent = heads["intent"].labels[batch.targets["intent"][row]]
        assert intent == example.targets["intent"]
    assert batch.arrays["valid"].sum(1).tolist() == [
        len(preprocessor.encode_words(list(e.source)).token_ids) for e in examples
    ]

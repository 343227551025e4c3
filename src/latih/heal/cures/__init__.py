"""One textbook remedy a file; a finding names those that fit it.

| cure | when |
|---|---|
| `add_skips` | a plain deep stack whose gradients vanish, when nothing else helps |
| `batch_size` | the loss swings; batch norm sees too few examples |
| `change_optimizer` | steps fade, creep, or overshoot whatever the rate |
| `class_weights` | rare classes are never answered |
| `clean_data` | inputs or targets hold NaN or infinities |
| `clip` | single gradients are many times the usual |
| `dropout` | so many units are dropped that noise is left |
| `early_stop` | validation gets worse again |
| `insert_activation` | weighted layers follow one another without a non-linearity |
| `insert_norm` | gradients vanish or explode, units saturate or die |
| `lower_lr` | steps are as long as the weights |
| `match_loss` | output and loss contradict each other |
| `performance_schedule` | the loss swings late, or stands on a plateau |
| `raise_lr` | steps are too short to get anywhere |
| `register` | parameters that nobody trains |
| `reinitialise` | first weights lose or blow up the signal |
| `relabel` | labels outside the classes |
| `standardise_inputs` | inputs far from mean 0 and deviation 1 |
| `standardise_targets` | targets far from mean 0 and deviation 1 |
| `stretch_schedule` | a schedule that is over long before the run, or never lets the rate up |
| `swap_activation` | functions that saturate or die |
| `swap_norm` | batch norm on too few values |
| `train_longer` | the run ends while the loss still falls |
| `train_mode` | norms in the wrong mode |
| `turn_weights` | class weights that are upside down |
| `unfreeze` | frozen weights that were never trained |
| `warm_up` | the first steps throw the weights away |
| `weight_decay` | too much or too little of it |
| `widen` | everything passes through layers of a few units |
"""

from .._base import Cure
from . import (
    _add_skips,
    _batch_size,
    _change_optimizer,
    _class_weights,
    _clean_data,
    _clip,
    _dropout,
    _early_stop,
    _insert_activation,
    _insert_norm,
    _lower_lr,
    _match_loss,
    _performance_schedule,
    _raise_lr,
    _register,
    _reinitialise,
    _relabel,
    _standardise_inputs,
    _standardise_targets,
    _stretch_schedule,
    _swap_activation,
    _swap_norm,
    _train_longer,
    _train_mode,
    _turn_weights,
    _unfreeze,
    _warm_up,
    _weight_decay,
    _widen,
)

CURES: dict[str, Cure] = {
    one.CURE.name: one.CURE
    for one in (
        _add_skips,
        _batch_size,
        _change_optimizer,
        _class_weights,
        _clean_data,
        _clip,
        _dropout,
        _early_stop,
        _insert_activation,
        _insert_norm,
        _lower_lr,
        _match_loss,
        _performance_schedule,
        _raise_lr,
        _register,
        _reinitialise,
        _relabel,
        _standardise_inputs,
        _standardise_targets,
        _stretch_schedule,
        _swap_activation,
        _swap_norm,
        _train_longer,
        _train_mode,
        _turn_weights,
        _unfreeze,
        _warm_up,
        _weight_decay,
        _widen,
    )
}
"""By the name that findings use."""

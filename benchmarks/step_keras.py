"""The network of `step.py` in Keras, for a Python that has tensorflow: a worker of that script.

Written from the specification of the modified Double U-Net (section 3.6 of the paper and Jha et
al., "DoubleU-Net", IEEE CBMS 2020): VGG19 convolutions, two atrous pyramids, squeeze-excite conv
blocks, three classes. The number of trainable parameters is checked against the paper's network.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras  # type: ignore[import-not-found]
import tensorflow as tf  # type: ignore[import-not-found,import-untyped]
from keras import layers

BATCH, CLASSES, PARAMETERS = 2, 3, 29_290_406
Tensor = Any


def normalised(x: Tensor) -> Tensor:
    return layers.ReLU()(layers.BatchNormalization(epsilon=1e-3, momentum=0.99)(x))


def conv_block(x: Tensor, filters: int) -> Tensor:
    for _ in range(2):
        x = normalised(layers.Conv2D(filters, 3, padding="same")(x))
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Dense(filters // 8, activation="relu", use_bias=False)(gate)
    gate = layers.Dense(filters, activation="sigmoid", use_bias=False)(gate)
    return layers.Multiply()([x, gate])


def pyramid(x: Tensor, filters: int = 64) -> Tensor:
    pooled = normalised(layers.Conv2D(filters, 1)(layers.GlobalAveragePooling2D(keepdims=True)(x)))
    pooled = layers.UpSampling2D(x.shape[1:3], interpolation="nearest")(pooled)
    branches = [pooled, normalised(layers.Conv2D(filters, 1, use_bias=False)(x))]
    for rate in (6, 12, 18):
        wide = layers.Conv2D(filters, 3, padding="same", dilation_rate=rate, use_bias=False)
        branches.append(normalised(wide(x)))
    joined = layers.Concatenate()(branches)
    return normalised(layers.Conv2D(filters, 1, use_bias=False)(joined))


def vgg19(x: Tensor) -> list[Tensor]:
    outputs: list[Tensor] = []
    for filters, number in ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4)):
        x = layers.MaxPooling2D()(x) if outputs else x
        for _ in range(number):
            x = layers.Conv2D(filters, 3, padding="same", activation="relu",
                              kernel_initializer="he_normal")(x)  # fmt: skip
        outputs.append(x)
    return outputs


def decoder(x: Tensor, *skips: list[Tensor]) -> Tensor:
    for level, filters in enumerate((256, 128, 64, 32)):
        x = layers.UpSampling2D(interpolation="bilinear")(x)
        x = layers.Concatenate()([x, *(outputs[3 - level] for outputs in skips)])
        x = conv_block(x, filters)
    return x


def double_unet(size: tuple[int, int]) -> keras.Model:
    given = keras.Input((*size, 1))
    picture = layers.Concatenate()([given] * 3)
    *skips1, deepest = vgg19(picture)
    output1 = layers.Conv2D(CLASSES, 1, activation="softmax")(decoder(pyramid(deepest), skips1))
    x = layers.Multiply()([picture, output1])
    skips2 = []
    for filters in (32, 64, 128, 256):
        x = conv_block(x, filters)
        skips2.append(x)
        x = layers.MaxPooling2D()(x)
    last = decoder(pyramid(x), skips1, skips2)
    output2 = layers.Conv2D(CLASSES, 1, activation="softmax")(last)
    model = keras.Model(given, [output1, output2])
    number = sum(int(tf.size(weight)) for weight in model.trainable_variables)
    assert number == PARAMETERS, number
    return model


def focal_tversky(target: Tensor, share: Tensor) -> Tensor:
    """Per class but background, over the batch; gamma 0.75, alpha 0.3, beta 0.7, smooth 1."""
    target, share = target[..., 1:], share[..., 1:]
    hit = tf.reduce_sum(target * share, (0, 1, 2))
    false = tf.reduce_sum((1 - target) * share, (0, 1, 2))
    missed = tf.reduce_sum(target * (1 - share), (0, 1, 2))
    index = (hit + 1) / (hit + 0.3 * false + 0.7 * missed + 1)
    return tf.reduce_mean(tf.maximum(1 - index, 1e-7) ** 0.75)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--worker")
    parser.add_argument("--size", type=int, nargs=2)
    parser.add_argument("--threads", type=int)
    asked = parser.parse_args()
    size, threads = tuple(asked.size), asked.threads
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    model = double_unet(size)
    optimiser = keras.optimizers.Adam(1e-4)
    x = tf.random.stateless_uniform((BATCH, *size, 1), (0, 0))
    classes = tf.random.stateless_uniform((BATCH, *size), (0, 1), 0, CLASSES, tf.int32)
    target = tf.one_hot(classes, CLASSES)

    @tf.function
    def step() -> Tensor:
        with tf.GradientTape() as tape:
            loss = tf.add_n([focal_tversky(target, share) for share in model(x, training=True)])
        gradients = tape.gradient(loss, model.trainable_variables)
        optimiser.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        float(step())
        print(time.perf_counter() - wall, time.process_time() - cpu, flush=True)


if __name__ == "__main__":
    main()

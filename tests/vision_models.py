"""Some of paddle.vision's architectures with seeded weights, saved in a worker."""

import numpy as np

# name, and side of the input: as small as the architecture takes, for speed
NETWORKS = {
    "resnet18": 64,
    "mobilenet_v1": 64,
    "mobilenet_v3_small": 64,
    "shufflenet_v2_x0_25": 64,
    "squeezenet1_1": 64,
    "densenet121": 64,
    "vgg11": 224,
}


def save_vision_model(name: str, prefix: str) -> None:
    """Build one of ``NETWORKS``, 10 classes, He-normal weights, free batch; save it."""
    import paddle
    import paddle.vision.models as vision

    options = {} if name == "vgg11" else {"num_classes": 10}
    network = getattr(vision, name)(pretrained=False, **options)
    generator = np.random.Generator(np.random.PCG64(7))
    for parameter in network.parameters():
        if len(parameter.shape) > 1:
            fan_in = (
                int(np.prod(parameter.shape[1:]))
                if len(parameter.shape) == 4
                else (parameter.shape[0])
            )
            values = generator.normal(0, np.sqrt(2 / fan_in), parameter.shape)
            parameter.set_value(values.astype(np.float32))
    network.eval()
    side = NETWORKS[name]
    spec = [paddle.static.InputSpec([None, 3, side, side], "float32", name="x")]
    paddle.jit.save(paddle.jit.to_static(network, input_spec=spec, full_graph=True), prefix)

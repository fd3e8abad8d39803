"""``paddleport serve``: models over the Open Inference Protocol, REST and gRPC."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paddleport.arguments import check_option
from paddleport.cli import options
from paddleport.cli.console import (
    print_warning,
    progress_bar,
)
from paddleport.errors import BackendUnavailableError, UsageError

if TYPE_CHECKING:
    from paddleport.runners.predictor import PredictorSpec
    from paddleport.serve.request_log import RequestLog

DEFAULT_BACKEND = "onnxruntime"
TOKEN_VARIABLE = "PADDLEPORT_TOKEN"
_HIGHEST_PORT = 65_535
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def serve(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL...",
            help="A zoo name, converted file, folder, .tar or program file; NAME=MODEL gives it "
            "another name in addresses.",
        ),
    ] = None,
    backend: Annotated[
        list[str] | None,
        typer.Option(
            "--backend",
            "-b",
            help="One that paddleport backends lists. A second one serves every model once more, "
            "as NAME-BACKEND.",
            show_default=DEFAULT_BACKEND,
        ),
    ] = None,
    http_port: Annotated[
        int, typer.Option("--http-port", help="REST; 0 is one that is free.")
    ] = 8080,
    grpc_port: Annotated[
        int, typer.Option("--grpc-port", help="gRPC; 0 is one that is free.")
    ] = 8081,
    host: Annotated[
        str, typer.Option("--host", help="What to listen on; 0.0.0.0 is every address.")
    ] = "127.0.0.1",
    workers: Annotated[int, typer.Option("--workers", help="Processes for each model.")] = 1,
    max_batch: Annotated[
        int, typer.Option("--max-batch", help="Examples computed together; 1 is no batching.")
    ] = 1,
    max_delay_ms: Annotated[
        float,
        typer.Option("--max-delay-ms", help="How long a request waits for others in its batch."),
    ] = 2.0,
    max_queue: Annotated[
        int,
        typer.Option("--max-queue", help="Requests of a model that wait; then clients get 503."),
    ] = 256,
    timeout_s: Annotated[
        float,
        typer.Option("--timeout-s", help="Of one inference; then its worker is ended."),
    ] = 60.0,
    topk: Annotated[int, typer.Option("--topk", help="Classes in an answer to a picture.")] = 5,
    device: options.DeviceOption = None,
    threads: Annotated[
        int | None,
        typer.Option("--threads", help="CPU threads of a worker; by default all, divided."),
    ] = None,
    precision: options.PrecisionOption = None,
    extra: options.ExtraOption = None,
    opset: options.OpsetIfConvertedOption = None,
    weights: options.WeightsOption = "auto",
    repository: Annotated[
        Path | None,
        typer.Option(
            "--repository",
            metavar="FOLDER",
            help="Its files and subfolders are models that --allow-load loads by request.",
        ),
    ] = None,
    allow_load: Annotated[
        bool, typer.Option("--allow-load", help="Let clients load and unload models.")
    ] = False,
    prove: Annotated[
        bool,
        typer.Option(
            "--prove",
            help="Compare with native Paddle, run now, before a model is ready; by default with "
            "the answers that were stored when it was converted.",
        ),
    ] = False,
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file",
            metavar="FILE",
            help=f"What clients must send as a bearer token; or the variable {TOKEN_VARIABLE}.",
        ),
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option("--tls-cert", metavar="FILE", help="Certificate chain, PEM.")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option("--tls-key", metavar="FILE", help="Its private key, PEM.")
    ] = None,
    grace_s: Annotated[
        float, typer.Option("--grace-s", help="To finish what was taken, at the end.")
    ] = 30.0,
    log: Annotated[
        Path | None,
        typer.Option("--log", metavar="FILE", help="A line per request, added to it; - is stderr."),
    ] = None,
    log_format: Annotated[
        str, typer.Option("--log-format", metavar="text|json", help="Of those lines.")
    ] = "text",
    json: Annotated[
        bool, typer.Option("--json", help="Print one line of JSON, once it serves, for a script.")
    ] = False,
) -> None:
    """Serve models over the Open Inference Protocol (KServe, Triton), with a page at /.

    [bold]paddleport serve MobileNetV2 --backend openvino[/]

    [bold]paddleport serve faces=FILE.onnx DETECTOR/ --workers 2 --max-batch 8[/]
    """
    _check_installed()
    from paddleport.cli.serve_run import ServeRun
    from paddleport.cli.served_models import ServedModels, models_by_name, with_backends
    from paddleport.runners.runner_options import (
        MOST_IN_A_BATCH,
        MOST_THREADS,
        RunnerOptions,
        available_threads,
    )
    from paddleport.serve.hosting.host_settings import HostSettings
    from paddleport.serve.listening import check_free
    from paddleport.serve.server import ServerOptions, check_tls

    if not models and repository is None:
        raise UsageError("there is nothing to serve: name a model, or --repository FOLDER")
    if topk < 1:
        raise UsageError(f"--topk {topk} is not possible: 1 or more")
    check_option("workers", workers, MOST_THREADS)
    check_option("max-batch", max_batch, MOST_IN_A_BATCH)
    for option, port in {"http-port": http_port, "grpc-port": grpc_port}.items():
        if not 0 <= port <= _HIGHEST_PORT:
            raise UsageError(f"--{option} {port} is not possible: 0 to {_HIGHEST_PORT}")
    settings = HostSettings(
        workers=workers,
        max_batch=max_batch,
        max_delay_s=max_delay_ms / 1e3,
        max_queue=max_queue,
        timeout_s=timeout_s,
    )
    served = ServedModels(
        options=RunnerOptions(
            device=device,
            precision=options.precision_from(precision),
            threads=max(1, available_threads() // workers) if threads is None else threads,
            extras=options.extras_from(extra),
        ),
        topk=topk,
        opset=opset,
        weights=weights,
    )
    server = ServerOptions(
        host=host,
        http_port=http_port,
        grpc_port=grpc_port,
        token=_token(token_file),
        tls_cert=tls_cert,
        tls_key=tls_key,
        grace_s=grace_s,
    )
    check_free(server)
    check_tls(server)
    if host not in _LOOPBACK and not server.token:
        print_warning(
            f"anybody who reaches {host} may ask this server: --token-file FILE asks for a token"
        )
    requests = _request_log(log, log_format)
    backends = backend or [DEFAULT_BACKEND]
    specs: dict[str, PredictorSpec] = {}
    named = with_backends(models_by_name(models or ()), backends)
    with progress_bar() as progress:
        for name, (model, own) in named.items():
            specs[name], warning = served.prepare(model, own, progress)
            if warning:
                print_warning(f"{name}: {warning}")
    ServeRun(
        specs=specs,
        models={name: model for name, (model, _) in named.items()},
        settings=settings,
        server=server,
        served=served,
        repository=repository,
        backend=backends[0],
        allow_load=allow_load,
        prove=prove,
        log=requests,
        json=json,
    ).until_ended()


def _request_log(file: Path | None, log_format: str) -> "RequestLog":
    """None is written unless a file is named; raises UsageError where it can't be."""
    from paddleport.serve.request_log import RequestLog

    destination = None if file == Path("-") else file
    return RequestLog(destination, log_format=log_format, quiet=file is None)


def _token(file: Path | None) -> str | None:
    """What clients must send; the file wins over the variable.

    Raises:
        UsageError: the file can't be read, is empty, or has no token in it.
    """
    if file is None:
        return os.environ.get(TOKEN_VARIABLE) or None
    try:
        token = file.read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        raise UsageError(f"--token-file {file} can't be read: {error}") from None
    if not token:
        raise UsageError(f"--token-file {file} is empty: write the token into it")
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise UsageError(
            f"--token-file {file} has what no client can send in a header: write one word of ASCII "
            "letters, digits and signs into it"
        )
    return token


def _check_installed() -> None:
    """Raises BackendUnavailableError, with what to type, where the server's libraries are not."""
    wanted = ("uvicorn", "httptools", "grpc", "google.protobuf", "prometheus_client")
    for module in wanted:
        try:
            found = find_spec(module) is not None
        except ModuleNotFoundError:
            found = False
        if not found:
            raise BackendUnavailableError(
                f"serve needs {module}, which is not installed: pip install 'paddleport[serve]'"
            )

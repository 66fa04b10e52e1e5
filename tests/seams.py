"""Which of the names and signatures of vLLM that the server leans on an unpacked vLLM has not, without
importing it: `python -m tests.seams TREE...`, where TREE holds the folder `vllm` (a wheel, unzipped).
"""

import ast
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

SEAMS: Mapping[str, Sequence[str]] = {
    # Launch. Where two files are named, one of them has it: vLLM 0.33 moved it.
    "entrypoints/launchers/cli_args.py|entrypoints/common/cli_args.py": (
        "make_arg_parser(parser)",
        "validate_parsed_serve_args(args)",
    ),
    "entrypoints/launchers/app.py": ("build_app(args, supported_tasks, model_config)",),
    "entrypoints/launchers/api_server/app_state.py": (
        "init_app_state(engine_client, state, args, supported_tasks)",
    ),
    "entrypoints/launchers/launcher.py": ("serve_http(app, sock)", "setup_server(args, reuse_port)"),
    "entrypoints/launchers/utils/server_utils.py": ("get_uvicorn_log_config(args)",),
    "entrypoints/serve/middleware/authenticate.py": ("AuthenticationMiddleware",),
    "utils/argparse_utils.py": ("FlexibleArgumentParser",),
    "usage/usage_lib.py": ("UsageContext.OPENAI_API_SERVER",),
    "logger.py": ("init_logger",),
    "envs.py": ("VLLM_HTTP_TIMEOUT_KEEP_ALIVE", "VLLM_USE_V2_MODEL_RUNNER", "enable_envs_cache()"),
    "engine/arg_utils.py": (
        "EngineArgs.aggregate_engine_logging",
        "EngineArgs.worker_extension_cls",
        "EngineArgs.create_engine_config",
        "EngineArgs.enable_elastic_ep",
        "EngineArgs.enable_trace_replay",
        "EngineArgs.return_sampling_mask",
        "EngineArgs.watermark_config",
        "EngineArgs.enable_batch_sharded_sampling",
    ),
    "config/vllm.py": (
        "VllmConfig.use_v2_model_runner",
        "VllmConfig.parallel_config",
        "VllmConfig.speculative_config",
    ),
    "config/speculative.py": (
        "SpeculativeConfig.method",
        "SpeculativeConfig.rejection_sample_method",
    ),
    "config/parallel.py": (
        "ParallelConfig.nnodes",
        "ParallelConfig.data_parallel_backend",
        "ParallelConfig.distributed_executor_backend",
    ),
    "config/model.py": (
        "ModelConfig.try_get_generation_config",
        "ModelConfig.get_diff_sampling_param",
        "ModelConfig.max_logprobs",
        "ModelConfig.max_model_len",
        "ModelConfig.served_model_name",
    ),
    # The engine's client.
    "v1/engine/async_llm.py": (
        "AsyncLLM.generate(prompt, sampling_params, request_id)",
        "AsyncLLM.from_vllm_config(vllm_config, usage_context, enable_log_requests, disable_log_stats)",
        "AsyncLLM.get_num_unfinished_requests",
        "AsyncLLM.get_supported_tasks",
        "AsyncLLM.reset_mm_cache",
        "AsyncLLM.shutdown(timeout)",
        "AsyncLLM.output_processor",
        "AsyncLLM.engine_core",
        "AsyncLLM.renderer",
    ),
    "v1/engine/core_client.py": (
        "AsyncMPClient.add_request_async(request)",
        "AsyncMPClient._send_input_message(message, engine)",
        "AsyncMPClient.client_index",
        "AsyncMPClient.call_utility_all_async(method)",
        "MPClient.utility_results",
        "MPClient.encoder",
        "MPClient.core_engine",
        "MPClient.core_engines",
        "MPClient.resources",
        "BackgroundResources.output_socket",
        "DPLBAsyncMPClient.reqs_in_flight",
    ),
    "v1/engine/__init__.py": ("EngineCoreRequestType.UTILITY", "EngineCoreRequest.sampling_params"),
    "v1/engine/core.py": ("EngineCoreProc.run_engine_core", "EngineCore.structured_output_manager"),
    "v1/structured_output/__init__.py": (
        "StructuredOutputManager._create_grammar(request)",
        "StructuredOutputManager.accept_tokens(request, new_token_ids)",
        "StructuredOutputManager.backend",
    ),
    "v1/structured_output/backend_types.py": (
        "StructuredOutputGrammar.fill_bitmask(bitmask, batch_index)",
        "StructuredOutputBackend.allocate_token_bitmask(max_num_seqs)",
    ),
    "v1/engine/coordinator.py": ("DPCoordinatorProc.run_coordinator",),
    "v1/engine/output_processor.py": (
        "OutputProcessor.request_states",
        "OutputProcessor.tracing_enabled",
        "OutputProcessor.do_tracing(engine_core_output, req_state, iteration_stats)",
        "OutputProcessor.propagate_error(e)",
        "OutputProcessor._trim_surplus_tokens",
        "RequestState.__init__(request_index, detokenizer)",
    ),
    "v1/engine/detokenizer.py": (
        "IncrementalDetokenizer.update(new_token_ids, stop_terminated)",
        "IncrementalDetokenizer.get_next_output_text(finished, delta)",
        "IncrementalDetokenizer.num_output_tokens",
        "IncrementalDetokenizer.output_token_ids",
        "BaseIncrementalDetokenizer.stop",
        "BaseIncrementalDetokenizer.stop_buffer_length",
        "BaseIncrementalDetokenizer.include_stop_str_in_output",
        "BaseIncrementalDetokenizer.output_text",
    ),
    "outputs.py": (
        "CompletionOutput.index",
        "CompletionOutput.finish_reason",
        "CompletionOutput.token_ids",
        "RequestOutput",
    ),
    "exceptions.py": ("GracefulHTTPError", "VLLMClientError", "VLLMValidationError(message, parameter)"),
    "lora/request.py": ("LoRARequest.lora_name",),
    "renderers/inputs/preprocess.py": ("extract_prompt_components(model_config, prompt)",),
    "sampling_params.py": (
        "SamplingParams.extra_args",
        "SamplingParams.thinking_token_budget",
        "SamplingParams.skip_special_tokens",
        "SamplingParams.clone",
        "SamplingParams._validate_structured_outputs",
    ),
    # The split of the text.
    "entrypoints/generate/base/protocol.py": ("DeltaMessage.reasoning", "DeltaMessage.content"),
    # A chunk of a chat stream.
    "entrypoints/openai/chat_completion/serving.py": ("OpenAIServingChat.chat_completion_stream_generator",),
    "entrypoints/openai/chat_completion/protocol.py": (
        "ChatCompletionStreamResponse.choices",
        "ChatCompletionResponseStreamChoice.delta",
        "ChatCompletionResponseStreamChoice.logprobs",
        "ChatCompletionResponseStreamChoice.finish_reason",
        "ChatCompletionResponseStreamChoice.token_ids",
    ),
    "reasoning/abs_reasoning_parsers.py": (
        "ReasoningParser.is_reasoning_end(input_ids)",
        "ReasoningParser.is_reasoning_end_streaming(input_ids, delta_ids)",
        "ReasoningParser.extract_content_ids(input_ids)",
        "ReasoningParser.count_reasoning_tokens(token_ids)",
        "ReasoningParser.extract_reasoning(model_output, request)",
        "ReasoningParser.extract_reasoning_streaming(previous_text, current_text, delta_text,"
        " previous_token_ids, current_token_ids, delta_token_ids)",
        "ReasoningParser.adjust_initial_state_from_prompt(prompt_token_ids)",
        "ReasoningParser.reasoning_start_str",
        "ReasoningParser.reasoning_end_str",
        "ReasoningParserManager.register_module(name, force, module)",
    ),
    # The workers.
    "v1/worker/gpu_worker.py": ("Worker.use_v2_model_runner", "Worker.model_runner"),
    "v1/sample/logits_processor/interface.py": (
        "BatchUpdate.removed",
        "BatchUpdate.added",
        "BatchUpdate.moved",
        "MoveDirectionality.SWAP",
        "LogitsProcessor.apply(logits)",
        "LogitsProcessor.update_state(batch_update)",
        "LogitsProcessor.is_argmax_invariant",
    ),
    "v1/sample/logits_processor/state.py": ("LogitsProcessors.non_argmax_invariant",),
    "v1/sample/metadata.py": (
        "SamplingMetadata.spec_token_ids",
        "SamplingMetadata.no_penalties",
        "SamplingMetadata.allowed_token_ids_mask",
        "SamplingMetadata.bad_words_token_ids",
        "SamplingMetadata.logitsprocs",
        "SamplingMetadata.thinking_budget_state_holder",
    ),
    "v1/sample/sampler.py": ("Sampler.sample(logits, sampling_metadata)", "Sampler.forward"),
    "v1/sample/rejection_sampler.py": (
        "RejectionSampler.forward(metadata, draft_probs, logits, sampling_metadata)",
        "RejectionSampler.apply_logits_processors(logits, sampling_metadata, metadata)",
        "RejectionSampler._get_logprobs_tensors(sampled_token_ids)",
        "RejectionSampler.sampler",
        "expand_batch_to_tokens(x, cu_num_tokens, num_tokens, replace_from, replace_to)",
    ),
    "v1/spec_decode/metadata.py": (
        "SpecDecodeMetadata.draft_token_ids",
        "SpecDecodeMetadata.num_draft_tokens",
        "SpecDecodeMetadata.max_spec_len",
    ),
    "v1/outputs.py": ("SamplerOutput.sampled_token_ids",),
    "v1/worker/gpu_input_batch.py": (
        "InputBatch.logitsprocs",
        "InputBatch.logitsprocs_need_output_token_ids",
        "InputBatch.req_output_token_ids",
        "InputBatch.generators",
    ),
    "v1/worker/gpu_model_runner.py": (
        "GPUModelRunner.sampler",
        "GPUModelRunner.input_batch",
        "GPUModelRunner.discard_request_mask",
        "GPUModelRunner.speculative_config",
        "GPUModelRunner.rejection_sampler",
        "GPUModelRunner._sample",
        "GPUModelRunner._bookkeeping_sync",
    ),
    "v1/worker/gpu/model_runner.py": (
        "GPUModelRunner.sampler",
        "GPUModelRunner.req_states",
        "GPUModelRunner.batch_sharder",
    ),
    "v1/worker/gpu/states.py": (
        "RequestState.device",
        "RequestState.prefill_len",
        "RequestState.prompt_len",
    ),
    "v1/worker/gpu/sample/sampler.py": (
        "Sampler.__call__(logits, input_batch)",
        "Sampler.sample(logits, expanded_idx_mapping, idx_mapping, idx_mapping_np)",
        "Sampler.logits_processors",
        "Sampler.penalties_state",
        "Sampler.needs_logits_processing",
        "Sampler.trace_replay_state",
        "Sampler.return_sampling_mask",
    ),
    "v1/worker/gpu/sample/output.py": ("SamplerOutput.sampled_token_ids", "SamplerOutput.num_sampled"),
    "v1/worker/gpu/input_batch.py": ("InputBatch.idx_mapping_np",),
    "v1/worker/gpu/sample/logits_processor/interface.py": (
        "LogitsProcessor.add_request(req_idx, sampling_params)",
        "LogitsProcessor.apply(logits, ctx)",
        "LogitsContext.idx_mapping_np",
    ),
}
"""By file, below the folder `vllm`: a name, `Class.attribute`, or either with parameters that it takes."""

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def missing(tree: Path) -> list[str]:
    """What of SEAMS this tree has not, as `file: name`."""
    found: list[str] = []
    for files, wanted in SEAMS.items():
        path = next((path for file in files.split("|") if (path := tree / "vllm" / file).exists()), None)
        if path is None:
            found.append(f"{files}: the file")
            continue
        found += [f"{files}: {each}" for each in wanted if not _has(_names(path), each)]
    return found


def _has(names: Mapping[str, frozenset[str]], wanted: str) -> bool:
    name, _, parameters = wanted.rstrip(")").partition("(")
    if name not in names:
        return False
    takes = names[name]
    return "**" in takes or takes.issuperset(re.findall(r"\w+", parameters))


@cache
def _names(path: Path) -> dict[str, frozenset[str]]:
    """The names of a module, of its classes and of their attributes, each with the parameters it takes."""
    names: dict[str, frozenset[str]] = {}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef):
            for name, takes in _of_class(node):
                names[f"{node.name}.{name}"] = takes
            names[node.name] = names.get(f"{node.name}.__init__", frozenset())
        elif isinstance(node, _FUNCTIONS):
            names[node.name] = _parameters(node)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            names |= dict.fromkeys(_targets(node), frozenset())
    return names


def _of_class(node: ast.ClassDef) -> Iterator[tuple[str, frozenset[str]]]:
    for child in node.body:
        if isinstance(child, _FUNCTIONS):
            yield child.name, _parameters(child)
            for inner in ast.walk(child):
                if isinstance(inner, ast.Assign | ast.AnnAssign):
                    yield from ((name, frozenset()) for name in _targets(inner, of_self=True))
        elif isinstance(child, ast.Assign | ast.AnnAssign):
            yield from ((name, frozenset()) for name in _targets(child))


def _targets(node: ast.Assign | ast.AnnAssign, of_self: bool = False) -> Iterator[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    for each in targets:
        for target in each.elts if isinstance(each, ast.Tuple) else (each,):
            if of_self and isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
                yield target.attr
            elif not of_self and isinstance(target, ast.Name):
                yield target.id


def _parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> frozenset[str]:
    given = node.args
    names = {each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)}
    return frozenset(names | ({"**"} if given.kwarg is not None else set()))


def main(trees: Sequence[str]) -> int:
    """Print what is missing from each tree. Returns 1 if anything is."""
    gone = {tree: missing(Path(tree)) for tree in trees}
    for tree, names in gone.items():
        print(f"{tree}: {len(names)} missing", *names, sep="\n  ")
    return int(any(gone.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

# OpenRLHF 0.11.2 (vllm 0.29.0, deepspeed 0.19.6, transformers 5.15.0): PPO, rewards over HTTP.
# REWARD_URL answers POST {"query": [..], "prompts": [..], "labels": [..]} with
# {"rewards": [..], "scores": [..], "extra_logs": {..}}; query is the whole text, template applied.
# vLLM's /classify does not; openrlhf.cli.serve_rm does, or a server of your own (see the README).
# A request that fails is logged, and training goes on with None as its reward: watch the log.
set -e
REWARD_URL=${REWARD_URL:-http://127.0.0.1:8100/get_reward}

python3 -m openrlhf.cli.train_ppo_ray \
   --actor.model_name_or_path Qwen/Qwen2.5-7B-Instruct \
   --critic.model_name_or_path Qwen/Qwen2.5-7B-Instruct \
   --reward.remote_url "$REWARD_URL" \
   --actor.num_nodes 1 \
   --actor.num_gpus_per_node 8 \
   --critic.num_nodes 1 \
   --critic.num_gpus_per_node 8 \
   --ref.num_nodes 1 \
   --ref.num_gpus_per_node 8 \
   --train.colocate_all \
   --vllm.num_engines 4 \
   --vllm.tensor_parallel_size 2 \
   --vllm.gpu_memory_utilization 0.5 \
   --vllm.enable_sleep \
   --ds.enable_sleep \
   --ds.zero_stage 3 \
   --ds.param_dtype bf16 \
   --actor.gradient_checkpointing_enable \
   --data.prompt_dataset trl-lib/ultrafeedback-prompt \
   --data.input_key prompt \
   --data.apply_chat_template \
   --data.max_len 3072 \
   --rollout.max_new_tokens 1024 \
   --rollout.batch_size 1024 \
   --rollout.n_samples_per_prompt 1 \
   --train.batch_size 128 \
   --train.micro_batch_size 8 \
   --train.max_epochs 1 \
   --train.num_episodes 1 \
   --algo.advantage.estimator gae \
   --algo.kl.init_coef 0.01 \
   --actor.adam.lr 5e-7 \
   --critic.adam.lr 9e-6 \
   --ckpt.output_dir runs/openrlhf-ppo

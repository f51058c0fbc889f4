# verl 0.9.1 (transformers 5.5.3 to 5.10): PPO, rewards over HTTP through the reward loop.
# train.parquet: prompt (messages), data_source, reward_model.ground_truth, extra_info.prompt.
set -e

python3 -m verl.trainer.main_ppo \
   data.train_files=train.parquet \
   data.val_files=val.parquet \
   data.train_batch_size=128 \
   data.max_prompt_length=2048 \
   data.max_response_length=1024 \
   actor_rollout_ref.model.path=Qwen/Qwen2.5-7B-Instruct \
   actor_rollout_ref.actor.optim.lr=1e-6 \
   actor_rollout_ref.actor.ppo_mini_batch_size=64 \
   actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu=4 \
   actor_rollout_ref.rollout.name=vllm \
   actor_rollout_ref.rollout.tensor_model_parallel_size=2 \
   actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu=8 \
   actor_rollout_ref.ref.log_prob_micro_batch_size_per_gpu=8 \
   critic.model.path=Qwen/Qwen2.5-7B-Instruct \
   critic.optim.lr=1e-5 \
   critic.ppo_micro_batch_size_per_gpu=4 \
   algorithm.adv_estimator=gae \
   algorithm.use_kl_in_reward=True \
   algorithm.kl_ctrl.kl_coef=0.01 \
   reward.custom_reward_function.path=examples/alignment/verl_reward.py \
   reward.custom_reward_function.name=compute_score \
   reward.reward_manager.name=naive \
   reward.num_workers=8 \
   trainer.n_gpus_per_node=8 \
   trainer.nnodes=1 \
   trainer.total_epochs=1 \
   trainer.save_freq=50 \
   trainer.default_local_dir=runs/verl-ppo

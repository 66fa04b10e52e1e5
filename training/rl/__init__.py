"""Reinforcement learning on thinking budgets: TRL's GRPOTrainer on rollouts of the real server."""

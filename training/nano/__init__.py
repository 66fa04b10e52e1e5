"""How s1-nano is made: tokenizer, pretraining on generated texts, fine-tuning on 1,000 traces, export."""

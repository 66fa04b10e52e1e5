"""Where quotas are counted: in a process's memory, or in a Redis or Valkey that several processes share."""

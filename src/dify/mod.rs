//! Workflow documents of Dify: locating the prompts in them. Pure: bytes in, prompts out.

//! keepalived.conf: text to tokens to spanned blocks to Config and diagnostics.

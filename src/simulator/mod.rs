//! Servers that speak each provider's wire protocol: for the sandbox, the tests and `guichet simulate`.

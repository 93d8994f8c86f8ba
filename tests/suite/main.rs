//! The suite that runs the whole service.

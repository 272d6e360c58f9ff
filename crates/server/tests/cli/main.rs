//! The program as people use it: its words, its exit statuses.

mod files;
mod interrupted;
mod lab;
mod runs;
mod support;
mod usage;

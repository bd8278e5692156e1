//! One program of all tests, since each would be linked with all of rmcp.

mod bad_input;
mod bounded;
mod example;
mod front_page;
mod identity;
mod in_between;
mod layered_around;
mod manager;
mod real_client;
mod scenarios;
mod sessionless;
mod shutdown;
mod signs_of_life;
mod streams;
mod support;
mod thousand_calls;
mod thousand_opens;
mod warnings;

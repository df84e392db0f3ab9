//! What the tests stand on: programs, children, servers, projects, and the proof that every test ends with.

pub(crate) mod api;
pub(crate) mod browser;
pub(crate) mod child;
pub(crate) mod components;
pub(crate) mod files;
pub(crate) mod house;
pub(crate) mod moto;
pub(crate) mod network;
pub(crate) mod other;
pub(crate) mod plant;
pub(crate) mod postgres;
pub(crate) mod project;
pub(crate) mod proof;
pub(crate) mod proxy;
pub(crate) mod small_disk;
pub(crate) mod upstream;

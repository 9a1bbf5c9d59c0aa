//! `harness report` through the program: the page as text, and the page in a real Chromium.

mod analysis;
#[cfg(unix)]
mod axe;
#[cfg(unix)]
mod browser;
mod by_class;
#[cfg(unix)]
mod chromium;
#[cfg(unix)]
mod copying;
#[cfg(unix)]
mod figures;
mod folders;
mod html;
mod lacking;
#[cfg(unix)]
mod lines;
mod live;
#[cfg(unix)]
mod paper;
mod pictures;
#[cfg(unix)]
mod plots;
#[cfg(unix)]
mod screens;
mod snapshots;
mod sources;
mod tensorboard;
mod text;
mod trained;

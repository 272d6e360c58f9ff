//! The step library against the lab's MAAS, over HTTP.

#[cfg(test)]
mod commission;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod steps;
#[cfg(test)]
mod support;

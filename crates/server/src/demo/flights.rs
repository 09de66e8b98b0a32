//! The flights of January 2013, from the copy inside the binary, and what they add up to by carrier.
//! Invariant: sums are whole minutes, so that every order of adding gives the same result.
//! Called by `demo`; tests below.

use std::collections::BTreeMap;

use flate2::read::GzDecoder;
use serde::{Deserialize, Serialize};

use crate::exit::{Complaint, Exit};

/// The flights as they are shipped.
const FILE: &[u8] = include_bytes!("../../../../data/flights-2013-01.csv.gz");
/// A departure this many minutes late is a job.
pub(super) const LATE_MINUTES: i64 = 60;

/// One flight, as it travels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Flight {
    /// The airline.
    pub(super) carrier: String,
    /// Its number, date and scheduled time: names the flight.
    pub(super) flight: String,
    /// From where.
    pub(super) origin: String,
    /// To where.
    pub(super) destination: String,
    /// Minutes after the scheduled departure; absent when it was cancelled.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) delay_minutes: Option<i64>,
}

impl Flight {
    /// Whether somebody must look after its passengers.
    pub(super) fn is_late(&self) -> bool {
        self.delay_minutes.is_some_and(|minutes| minutes >= LATE_MINUTES)
    }
}

/// A line of the file.
#[derive(Deserialize)]
struct Line {
    month: u8,
    day: u8,
    sched_dep_time: String,
    dep_delay: String,
    carrier: String,
    flight: String,
    origin: String,
    dest: String,
}

/// Every flight of the file, in its order.
pub(super) fn read() -> Result<Vec<Flight>, Complaint> {
    let broken =
        |what: String| Complaint::here(Exit::Fault, "internal", format!("the flights cannot be read: {what}"), "");
    let mut reader = csv::Reader::from_reader(GzDecoder::new(FILE));
    let lines = reader.deserialize::<Line>();
    lines
        .map(|line| {
            let line = line.map_err(|error| broken(error.to_string()))?;
            let delay_minutes = match line.dep_delay.as_str() {
                "NA" | "" => None,
                minutes => Some(minutes.parse().map_err(|_| broken(format!("a delay of {minutes:?}")))?),
            };
            let time = &line.sched_dep_time;
            Ok(Flight {
                flight: format!(
                    "{}{} 2013-{:02}-{:02} {time:0>4} {}",
                    line.carrier, line.flight, line.month, line.day, line.origin
                ),
                carrier: line.carrier,
                origin: line.origin,
                destination: line.dest,
                delay_minutes,
            })
        })
        .collect()
}

/// What the flights of one carrier add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    /// Flights.
    pub(super) flights: u64,
    /// Of them, those that left.
    pub(super) departures: u64,
    /// Their delays together, in minutes.
    pub(super) delay_minutes: i64,
    /// Late departures.
    pub(super) late: u64,
}

impl Sum {
    /// The mean delay of a departure, in minutes with one decimal.
    pub(super) fn mean(&self) -> String {
        let Some(departures) = i64::try_from(self.departures).ok().filter(|departures| *departures > 0) else {
            return "-".to_owned();
        };
        let tenths = (self.delay_minutes * 10 + departures / 2).div_euclid(departures);
        let sign = if tenths < 0 { "-" } else { "" };
        format!("{sign}{}.{}", tenths.abs() / 10, tenths.abs() % 10)
    }
}

/// The sums by carrier.
pub(super) type Sums = BTreeMap<String, Sum>;

/// Adds a flight; the late jobs are counted where they are worked on.
pub(super) fn add(sums: &mut Sums, flight: &Flight) {
    let sum = sums.entry(flight.carrier.clone()).or_default();
    sum.flights += 1;
    if let Some(minutes) = flight.delay_minutes {
        sum.departures += 1;
        sum.delay_minutes += minutes;
    }
}

/// The sums straight from the flights.
pub(super) fn sums(flights: &[Flight]) -> Sums {
    let mut sums = Sums::new();
    for flight in flights {
        add(&mut sums, flight);
        if flight.is_late() {
            sums.entry(flight.carrier.clone()).or_default().late += 1;
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_file_holds_the_flights_of_january() {
        let flights = read().unwrap();
        assert_eq!(flights.len(), 27_004);
        assert_eq!(flights.iter().filter(|flight| flight.delay_minutes.is_none()).count(), 521);
        assert_eq!(flights.iter().filter(|flight| flight.is_late()).count(), 1852);
        let sums = sums(&flights);
        assert_eq!(sums.len(), 16);
        assert_eq!(sums["UA"].flights, 4637);
        let names: BTreeSet<_> = flights.iter().map(|flight| &flight.flight).collect();
        assert_eq!(names.len(), flights.len(), "a name stands for two flights");
    }

    #[test]
    fn means_are_rounded_to_tenths() {
        let mean = |departures, delay_minutes| Sum { departures, delay_minutes, ..Sum::default() }.mean();
        assert_eq!((mean(3, 10).as_str(), mean(4, -1).as_str(), mean(0, 0).as_str()), ("3.3", "-0.2", "-"));
    }
}

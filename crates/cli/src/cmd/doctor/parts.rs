//! Which file is of which cluster: `CLUSTER=FILE`, or the only one there is.

use super::audit;
use crate::process::Failure;
use jeton_doctor::collect::addons;
use jeton_doctor::facts::{Cluster, Facts, Source};
use std::fs::File;
use std::path::Path;

/// Facts of each cluster apart. The first part has no name until something gives it one.
pub(super) struct Parts(Vec<Facts>);

impl Parts {
    /// Of clusters that were asked.
    pub(super) fn of(facts: Facts) -> Self {
        Self(facts.apart())
    }

    /// Of clusters that are still to be asked.
    pub(super) fn named(names: Vec<String>) -> Self {
        let clusters = names.into_iter().map(|name| Cluster { name, ..Cluster::default() });
        Self::of(Facts { clusters: clusters.collect(), ..Facts::default() })
    }

    /// Without any cluster: files name them.
    pub(super) fn none() -> Self {
        Self(Vec::new())
    }

    pub(super) fn into_facts(self) -> Vec<Facts> {
        self.0
    }

    /// The part that a value of a flag is for, and the file. Without clusters every name makes a part of its own.
    fn place<'t>(&mut self, flag: &str, text: &'t str, open: bool) -> Result<(usize, &'t str), Failure> {
        let is_of = |part: &Facts| {
            let rest = text.strip_prefix(part.cluster.as_deref()?)?.strip_prefix('=');
            rest.filter(|file| !file.is_empty())
        };
        let known = self.0.iter().enumerate().find_map(|(at, part)| Some((at, is_of(part)?)));
        if let Some(found) = known {
            return Ok(found);
        }
        let named = text
            .split_once('=')
            .filter(|(name, file)| open && !name.is_empty() && !file.is_empty() && !Path::new(text).exists());
        if open {
            let (name, file) = named.map_or((None, text), |(name, file)| (Some(name.to_owned()), file));
            return Ok((self.part(name), file));
        }
        match self.0.as_slice() {
            [_] => Ok((0, text)),
            parts => {
                let names: Vec<&str> = parts.iter().filter_map(Facts::name).collect();
                let names = names.join(", ");
                Err(Failure::misuse(format!(
                    "{flag} {text}: there are several clusters; write CLUSTER=FILE, CLUSTER being one of: {names}"
                )))
            }
        }
    }

    fn part(&mut self, cluster: Option<String>) -> usize {
        let known = self.0.iter().position(|part| part.cluster == cluster);
        known.unwrap_or_else(|| {
            self.0.push(Facts { cluster, ..Facts::default() });
            self.0.len() - 1
        })
    }

    /// Whether each file has its place.
    pub(super) fn check(&mut self, flag: &str, texts: &[String]) -> Result<(), Failure> {
        texts.iter().try_for_each(|text| self.place(flag, text, false).map(drop))
    }

    /// Reads audit logs; `open`: their names make clusters.
    pub(super) fn read_logs(
        &mut self,
        (flag, texts, open): (&str, &[String], bool),
        quick: bool,
        threads: Option<usize>,
    ) -> Result<(), Failure> {
        let mut files: Vec<(usize, String)> = Vec::new();
        for text in texts {
            let (part, file) = self.place(flag, text, open)?;
            files.push((part, file.to_owned()));
        }
        let names: Vec<&str> = files.iter().map(|(_, file)| file.as_str()).collect();
        if names.iter().filter(|name| **name == "-").count() > 1 {
            return Err(Failure::misuse("standard input can be read once: give - only once"));
        }
        for (at, part) in self.0.iter_mut().enumerate() {
            // Files of one cluster are read together: its API servers may each have written a part of a story.
            let own = files.iter().filter(|(of, _)| *of == at).map(|(_, file)| file.clone());
            let own: Vec<String> = own.collect();
            if !own.is_empty() {
                audit::read_into(&own, quick, threads, part)?;
            }
        }
        Ok(())
    }

    /// Reads lists of add-ons. Each belongs to a cluster that is known already.
    pub(super) fn read_addons(&mut self, texts: &[String]) -> Result<(), Failure> {
        for text in texts {
            let (at, file) = self.place("--addons", text, false)?;
            let wrong = |error: &dyn std::error::Error| {
                let causes = std::iter::successors(error.source(), |error| error.source());
                let causes: String = causes.map(|cause| format!(": {cause}")).collect();
                Failure::misuse(format!("--addons {file}: {error}{causes}"))
            };
            let list = File::open(file).map_err(|e| wrong(&e))?;
            let list = addons::read(list).map_err(|e| wrong(&e))?;
            let part = &mut self.0[at];
            let read = u64::try_from(list.addons.len()).unwrap_or(u64::MAX);
            part.sources.push(Source { name: file.to_owned(), read, ..Source::default() });
            if part.clusters.is_empty() {
                let name = part.cluster.clone().or(list.cluster).unwrap_or_else(|| file.to_owned());
                part.clusters.push(Cluster { name, ..Cluster::default() });
            }
            // A part that was asked has exactly one cluster.
            if let Some(cluster) = part.clusters.first_mut() {
                cluster.listed.extend(list.addons);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(names: &[&str]) -> Parts {
        Parts::named(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn files_go_to_their_clusters() {
        let arn = "arn:aws:eks:eu-west-1:1:cluster/a=b";
        let mut parts = asked(&[arn, "b"]);
        for (text, want) in [(format!("{arn}=x.log"), (0, "x.log")), ("b=x=y.log".to_owned(), (1, "x=y.log"))]
        {
            assert_eq!(parts.place("--f", &text, false).unwrap(), want);
        }
        for text in ["x.log", "c=x.log", "b="] {
            let error = parts.place("--f", text, false).unwrap_err();
            assert!(error.code == 64 && error.message.contains("write CLUSTER=FILE"), "{}", error.message);
        }
        let mut one = asked(&["a"]);
        assert_eq!(one.place("--f", "x=y.log", false).unwrap(), (0, "x=y.log"));
        assert_eq!(one.place("--f", "a=y.log", false).unwrap(), (0, "y.log"));
    }

    #[test]
    fn without_clusters_names_make_them() {
        let mut parts = Parts::none();
        let placed = ["x.log", "a=x.log", "b=y.log", "a=z.log", "="]
            .map(|text| parts.place("", text, true).unwrap().0);
        assert_eq!(placed, [0, 1, 2, 1, 0]);
        let names: Vec<Option<&str>> = parts.0.iter().map(|part| part.cluster.as_deref()).collect();
        assert_eq!(names, [None, Some("a"), Some("b")]);
    }
}

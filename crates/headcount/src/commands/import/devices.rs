//! The registry.

use std::collections::BTreeMap;

use model::{Carrier, Country, DeviceId, DeviceStatus};
use store::import::DeviceImport;

use super::{ImportContext, Loader};
use crate::commands::rows::{OneOf, Row, shown};

/// Devices of one write.
const CHUNK_DEVICES: usize = 5_000;

/// The longest text of a column, in characters.
const MAX_TEXT_CHARS: usize = 200;

/// Loads devices of the registry.
pub(super) struct Devices {
    context: ImportContext,
    devices: BTreeMap<DeviceId, DeviceImport>,
    left_out_iccid: bool,
}

impl Devices {
    pub(super) fn new(context: ImportContext) -> Self {
        Self {
            context,
            devices: BTreeMap::new(),
            left_out_iccid: false,
        }
    }

    fn read(&self, row: &Row) -> Result<DeviceImport, String> {
        let device_id = row.device_id()?;
        let country = match printable(row, "country")? {
            None => None,
            Some(text) => {
                let known = Country::parse(&text)
                    .ok()
                    .filter(|country| self.context.catalogue.country(*country).is_some());
                Some(known.ok_or_else(|| {
                    format!("`country` is {}: no country of that code", shown(&text))
                })?)
            }
        };
        let status = match printable(row, "status")? {
            None => None,
            Some(text) => Some(DeviceStatus::parse(&text.to_ascii_lowercase()).ok_or_else(
                || {
                    format!(
                        "`status` is {}: `active`, `stock` or `retired`",
                        shown(&text)
                    )
                },
            )?),
        };
        let carrier = match printable(row, "carrier")? {
            None => None,
            Some(text) => {
                let slug = Carrier::slug(&text);
                if slug == Carrier::unknown() && !text.eq_ignore_ascii_case(slug.as_str()) {
                    return Err(format!(
                        "`carrier` is {}: a name needs letters of a to z, or digits",
                        shown(&text)
                    ));
                }
                Some(slug.as_str().to_owned())
            }
        };
        Ok(DeviceImport {
            device_id,
            status,
            country,
            carrier,
            partner: printable(row, "partner")?,
            region: printable(row, "region")?,
            model: printable(row, "model")?,
            label: printable(row, "label")?,
        })
    }
}

/// A text that can be stored and shown.
pub(super) fn printable(row: &Row, name: &str) -> Result<Option<String>, String> {
    let Some(text) = row.text(name)? else {
        return Ok(None);
    };
    if text.contains(char::is_control) || text.chars().count() > MAX_TEXT_CHARS {
        return Err(format!(
            "`{name}` is {}: at most {MAX_TEXT_CHARS} characters that can be printed",
            shown(&text)
        ));
    }
    Ok(Some(text.into_owned()))
}

impl Loader for Devices {
    const REQUIRED: &'static [OneOf] = &[&["device_id"]];

    async fn take(&mut self, row: &Row) -> anyhow::Result<Result<(), String>> {
        let device = match self.read(row) {
            Ok(device) => device,
            Err(reason) => return Ok(Err(reason)),
        };
        self.left_out_iccid |= row.cell("iccid").is_some();
        // A device that comes twice is one row with what both say; where they differ, the later
        // one wins.
        let merged = match self.devices.remove(&device.device_id) {
            None => device,
            Some(earlier) => DeviceImport {
                status: device.status.or(earlier.status),
                country: device.country.or(earlier.country),
                carrier: device.carrier.or(earlier.carrier),
                partner: device.partner.or(earlier.partner),
                region: device.region.or(earlier.region),
                model: device.model.or(earlier.model),
                label: device.label.or(earlier.label),
                device_id: device.device_id,
            },
        };
        self.devices.insert(merged.device_id.clone(), merged);
        Ok(Ok(()))
    }

    fn is_full(&self) -> bool {
        self.devices.len() >= CHUNK_DEVICES
    }

    async fn write(&mut self) -> anyhow::Result<()> {
        let devices: Vec<_> = std::mem::take(&mut self.devices).into_values().collect();
        if !devices.is_empty() {
            let now = self.context.clock.now();
            self.context.store.import_devices(&devices, now).await?;
        }
        Ok(())
    }

    fn notes(self) -> Vec<String> {
        let note = "The column `iccid` was left out: SIM numbers may only be kept encrypted, and \
                    this version has no setting for the key.";
        self.left_out_iccid
            .then(|| note.to_owned())
            .into_iter()
            .collect()
    }
}

//! The records of the files, with the fields that some command reads.

use super::field::Field;
use super::id::Id;
use super::outline::Outline;
use anyhow::{Context, Result};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use std::fmt::Formatter;
use std::path::Path;

/// Defines a record that is read from an object. Other keys are passed over; of a key that occurs twice the last one
/// counts, as in Python.
macro_rules! record {
    ($(#[$about:meta])* $name:ident { $($(#[$meaning:meta])* $field:ident: $kind:ty,)* }) => {
        $(#[$about])*
        #[derive(Clone, Debug, Default)]
        pub struct $name {
            $($(#[$meaning])* pub $field: $kind,)*
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                #[derive(serde::Deserialize)]
                #[serde(field_identifier)]
                #[allow(non_camel_case_types)]
                enum Key {
                    $($field,)*
                    #[serde(other)]
                    Other,
                }

                struct Object;

                impl<'de> Visitor<'de> for Object {
                    type Value = $name;

                    fn expecting(&self, f: &mut Formatter) -> std::fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<$name, A::Error> {
                        let mut record = $name::default();
                        while let Some(key) = object.next_key()? {
                            match key {
                                $(Key::$field => record.$field = object.next_value()?,)*
                                Key::Other => { object.next_value::<IgnoredAny>()?; }
                            }
                        }
                        Ok(record)
                    }
                }
                deserializer.deserialize_map(Object)
            }
        }
    };
}

record! {
    /// A file of annotations. A list that is absent is none.
    Annotations {
        /// The images.
        images: Option<Vec<Image>>,
        /// The objects in them.
        annotations: Option<Vec<Annotation>>,
        /// The categories of the objects.
        categories: Option<Vec<Category>>,
    }
}

record! {
    /// The images of a file of annotations, without the rest of it.
    Images {
        /// The images.
        images: Option<Vec<Image>>,
    }
}

record! {
    /// An image of a file of annotations.
    Image {
        /// Its id.
        id: Field<Id>,
        /// Its file, relative to a folder that the file does not name.
        file_name: Field<String>,
        /// Rows.
        height: Field<u32>,
        /// Columns.
        width: Field<u32>,
    }
}

record! {
    /// A category of a file of annotations.
    Category {
        /// Its id.
        id: Field<Id>,
        /// Its name.
        name: Field<String>,
        /// The name of the group of similar categories that it belongs to.
        supercategory: Field<String>,
    }
}

record! {
    /// An annotated object.
    Annotation {
        /// Its id.
        id: Field<Id>,
        /// The image that it is in.
        image_id: Field<Id>,
        /// Its category.
        category_id: Field<Id>,
        /// True for a group of objects.
        iscrowd: Field<bool>,
        /// In pixels; decides the size range of COCO's metric.
        area: Field<f64>,
        /// x, y, width, height.
        bbox: Field<[f64; 4]>,
        /// The mask.
        segmentation: Outline,
    }
}

record! {
    /// A detection of a file of results.
    Detection {
        /// The image that it is in.
        image_id: Field<Id>,
        /// Its category.
        category_id: Field<Id>,
        /// Confidence.
        score: Field<f64>,
        /// x, y, width, height.
        bbox: Field<[f64; 4]>,
        /// The mask.
        segmentation: Outline,
    }
}

impl Images {
    /// The images of `file`.
    ///
    /// # Errors
    /// There is no such list.
    pub fn take_images(&mut self, file: &Path) -> Result<Vec<Image>> {
        needed(self.images.take(), "images", file)
    }
}

impl Annotations {
    /// The images of `file`.
    ///
    /// # Errors
    /// There is no such list.
    pub fn take_images(&mut self, file: &Path) -> Result<Vec<Image>> {
        needed(self.images.take(), "images", file)
    }

    /// The annotations of `file`.
    ///
    /// # Errors
    /// There is no such list.
    pub fn take_annotations(&mut self, file: &Path) -> Result<Vec<Annotation>> {
        needed(self.annotations.take(), "annotations", file)
    }

    /// The categories of `file`.
    ///
    /// # Errors
    /// There is no such list.
    pub fn take_categories(&mut self, file: &Path) -> Result<Vec<Category>> {
        needed(self.categories.take(), "categories", file)
    }
}

fn needed<T>(list: Option<Vec<T>>, name: &str, file: &Path) -> Result<Vec<T>> {
    list.with_context(|| {
        format!(
            "{}: not COCO's annotations: missing field `{name}`; needed: a list",
            file.display()
        )
    })
}

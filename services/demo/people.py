"""Names for people who do not exist. Any likeness is chance."""

from __future__ import annotations

from typing import Final

_GIVEN: Final = (
    "Aisha Alice Amara Ana Andre Angela Anh Antonio Asha Beatriz Brian Carla Carlos Chen Cora "
    "Daniel Darnell Deepa Diego Elena Elijah Emma Eric Esther Fatima Felix Gabriel Gloria "
    "Grace Hana Hassan Helen Hugo Ibrahim Irene Isaac Ivan Jamal James Jasmine Jean Jorge "
    "Josefa Joy Kamal Karen Keisha Kevin Kofi Laura Leila Liam Linda Lucia Luis Mai Malik "
    "Marcus Maria Marta Maya Mei Miguel Mina Monique Nadia Naomi Nina Noah Olga Omar Oscar "
    "Pablo Patricia Paul Petra Priya Quinn Rafael Rashid Rebecca Renee Ricardo Robert Ruth "
    "Sam Sandra Sara Sofia Stefan Talia Tariq Teresa Thomas Tyrone Valeria Vera Victor Wanda "
    "Xavier Yara Yusuf Zoe "
)
_FAMILY: Final = (
    "Abbott Adeyemi Alvarez Bailey Banerjee Barnes Becker Bello Brooks Burke Campos Carter "
    "Castillo Chavez Cho Coleman Cruz Davis Delgado Diaz Dixon Duarte Edwards Ellis Eze "
    "Fischer Flores Foster Garcia Gibson Gomez Grant Greene Gupta Hall Harris Hayes Herrera "
    "Hill Howard Hughes Ito Jackson Jensen Jimenez Johnson Jones Kaur Kelly Khan Kim Kowalski "
    "Lang Le Lee Lewis Lopez Mason Mendoza Miller Morales Moore Nelson Nguyen Novak Obi Ochoa "
    "Okafor Ortiz Owens Park Patel Perez Phillips Ramos Reed Reyes Rivera Robinson Rojas "
    "Romero Russell Salazar Santos Schmidt Scott Silva Singh Soto Stewart Suarez Sullivan "
    "Taylor Torres Turner Vargas Vega Walker Ward Washington White Williams Wilson Wong Young "
    "Zhang "
)

GIVEN: Final = tuple(_GIVEN.split())
FAMILY: Final = tuple(_FAMILY.split())
